//! Values of headers with parameters: `multipart/form-data; boundary="x"` (RFC 9110, section 5.6.6; RFC 2045,
//! section 5.1).

/// The longest value with its parameters that is read, in bytes, and how many parameters: anybody may send
/// some.
const MAX_LEN: usize = 1_024;
const MAX_NAMED: usize = 16;

/// The parameter that may stand several times. Of two the first counts (MIME Sniffing, section 4.4), and RFC
/// 9110 does not say which: a reader before this one may have taken either. So all of them count.
const CHARSET: &str = "charset";

/// A value and the parameters behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// In lower case.
    pub(crate) value: String,
    /// Names in lower case, each once, except [`CHARSET`].
    named: Vec<(String, String)>,
}

impl Parameters {
    /// Reads them. `None` if another parameter stands twice, or cannot be read, or there are too many.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (value, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut found = Self { value: value.trim().to_ascii_lowercase(), named: Vec::new() };
        while let Some(next) = rest.trim_start().strip_prefix(';') {
            let next = next.trim_start();
            if next.is_empty() || next.starts_with(';') {
                rest = next;
                continue;
            }
            let (name, behind) = next.split_once('=')?;
            let (value, behind) = parameter(behind)?;
            let name = name.trim().to_ascii_lowercase();
            if found.named.len() == MAX_NAMED || (name != CHARSET && found.get(&name).is_some()) {
                return None;
            }
            found.named.push((name, value));
            rest = behind;
        }
        rest.trim().is_empty().then_some(found)
    }

    /// Returns a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Tells whether text is in UTF-8, as far as it is said.
    pub(crate) fn is_utf8(&self) -> bool {
        self.named.iter().filter(|(name, _)| name == CHARSET).all(|(_, value)| is_utf8(value))
    }
}

/// Tells whether this is a name of UTF-8 (Encoding, section 4.2).
pub(crate) fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// Reads the value of a parameter, in quotes or not. Returns what is behind it too.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = value.trim_end();
        let is_token = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
        return is_token.then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_every_form() {
        for (text, value, named) in [
            ("text/plain", "text/plain", &[][..]),
            ("Text/Plain ; Charset=UTF-8", "text/plain", &[("charset", "UTF-8")]),
            ("a/b;x=1;y=\"2;3\" ; z=4;", "a/b", &[("x", "1"), ("y", "2;3"), ("z", "4")]),
            (r#"form-data; name="a\"b\\c""#, "form-data", &[("name", r#"a"b\c"#)]),
            ("a/b;;x=\"\"", "a/b", &[("x", "")]),
            ("a/b; charset=a; Charset=b", "a/b", &[("charset", "a"), ("charset", "b")]),
        ] {
            let read = Parameters::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.value, value, "{text}");
            let all: Vec<_> = read.named.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!(all, named, "{text}");
        }
        for bad in
            ["a/b; x", "a/b; x=", "a/b; x=\"1", "a/b; x=\"1\"2", "a/b; x=1; X=1", "a/b; x=1 2", "a/b; x=\"\\"]
        {
            assert_eq!(Parameters::parse(bad), None, "{bad}");
        }
        let many = |number| (0..number).map(|number| format!(";x{number}=1")).collect::<String>();
        for (number, read) in [(MAX_NAMED, true), (MAX_NAMED + 1, false), (20_000, false)] {
            assert_eq!(Parameters::parse(&format!("a/b{}", many(number))).is_some(), read, "{number}");
        }
        assert_eq!(Parameters::parse(&format!("a/b;x={}", "1".repeat(MAX_LEN))), None);
    }
}
