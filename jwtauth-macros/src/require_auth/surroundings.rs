//! Finds out what stands around `#[require_auth]` in its file, to add a clear message: whether the function
//! below it is in an `impl` block or a trait, where no endpoint can be.
//!
//! Its tokens do not show it: without `self` they are those of a free function. Safety does not depend on
//! this file: an endpoint is a struct, and a struct in such a place does not compile.
//!
//! The text is read forwards, as far as it takes to know where brackets are: comments, strings and characters
//! are skipped. Whoever calls a macro there may move the function, so inside of one nothing is known.

/// Words that stand before the one that says what an item is.
const QUALIFIERS: [&str; 8] = ["async", "auto", "const", "default", "extern", "pub", "safe", "unsafe"];

/// What an opening bracket belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    /// An `impl` or a trait.
    Block,
    /// A function or a module, in which there may be items.
    Items,
    Other,
}

/// Tells whether a text ends right inside of an `impl` block or a trait.
pub(super) fn ends_in_block(text: &str) -> bool {
    // What is in a block is indented. So the text before most attributes is not read.
    if text.is_empty() || text.ends_with('\n') {
        return false;
    }
    let open = open_brackets(text.as_bytes());
    match open.split_last() {
        Some((Around::Block, outer)) => outer.iter().all(|around| *around == Around::Items),
        _ => false,
    }
}

/// Returns what is open at the end of a text, the outermost first.
fn open_brackets(text: &[u8]) -> Vec<Around> {
    let mut open = Vec::new();
    // The words of the item that has begun at this level. Those in brackets are not of it.
    let mut words: Vec<Vec<&[u8]>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = &text[at..];
        let mut len = 1;
        match byte {
            b'/' if rest.starts_with(b"//") => len = find(rest, b"\n"),
            b'/' if rest.starts_with(b"/*") => len = comment(rest),
            b'"' => len = string(rest),
            b'\'' => len = character(rest),
            b'{' | b'(' | b'[' => {
                let is_block = *byte == b'{';
                open.push(if is_block { around(words.last_mut()) } else { Around::Other });
                words.push(Vec::new());
            }
            b'}' | b')' | b']' => {
                open.pop();
                words.truncate(words.len().saturating_sub(1).max(1));
                if let (b'}', Some(words)) = (byte, words.last_mut()) {
                    words.clear();
                }
            }
            b';' => words.iter_mut().last().into_iter().for_each(Vec::clear),
            byte if is_of_word(*byte) => {
                len = rest.iter().take_while(|byte| is_of_word(**byte)).count();
                let raw = raw_string(&rest[..len], &rest[len..]);
                match raw {
                    Some(raw) => len += raw,
                    None => words.iter_mut().last().into_iter().for_each(|words| words.push(&rest[..len])),
                }
            }
            _ => {}
        }
        at += len;
    }
    open
}

/// Returns what a block belongs to, by the words before it. They are over with it.
fn around(words: Option<&mut Vec<&[u8]>>) -> Around {
    let words = words.map(std::mem::take).unwrap_or_default();
    let kind = words.iter().find(|word| !QUALIFIERS.iter().any(|known| known.as_bytes() == **word));
    match kind {
        Some(&b"impl" | &b"trait") => Around::Block,
        Some(&b"fn" | &b"mod") => Around::Items,
        _ => Around::Other,
    }
}

const fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Returns how many bytes come before `what`.
fn find(text: &[u8], what: &[u8]) -> usize {
    text.windows(what.len()).position(|window| window == what).unwrap_or(text.len())
}

/// Returns the length of a comment that begins with `/*`. There may be others in it.
fn comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Returns the length of a text in double quotes.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the length of a character in quotes. For a lifetime it is that of the quote.
fn character(text: &[u8]) -> usize {
    if text.get(1) == Some(&b'\\') {
        return 3 + find(text.get(3..).unwrap_or_default(), b"'") + 1;
    }
    let is_inside = |byte: &&u8| **byte >= 0x80;
    let len = 1 + text.iter().skip(2).take_while(is_inside).count();
    if text.get(1 + len) == Some(&b'\'') { len + 2 } else { 1 }
}

/// Returns the length of what stands behind the letters of a raw string, such as `#".."#` behind `br`.
fn raw_string(word: &[u8], behind: &[u8]) -> Option<usize> {
    if ![&b"r"[..], b"br", b"cr"].contains(&word) {
        return None;
    }
    let marks = behind.iter().take_while(|byte| **byte == b'#').count();
    let inside = behind.get(marks..)?.strip_prefix(b"\"")?;
    let end = [b"\"", &behind[..marks]].concat();
    Some(marks + 1 + find(inside, &end) + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_16_a_function_of_a_type_is_seen() {
        for text in [
            "impl A {",
            "struct A; impl A { const B: u8 = 1; fn c() {}",
            "/// Docs.\n#[derive(B)] pub(crate) unsafe impl<T> C<T> where T: D {",
            "pub trait A: B {",
            "mod a { mod b { impl C {",
            "async fn main() { impl A {",
            "const A: [u8; 1] = [b'{']; const B: char = '\\''; const C: &str = \"{\\\"{\"; impl D {",
            "fn a<'a>(b: &'a str) { c(); } // {\n/* { /* { */ { */ impl D {",
            "const A: &str = r#\"{\"{\"#; const B: &[u8] = br\"{\"; const C: char = 'ü'; impl D {",
            "fn r#impl() {} impl A { #[cfg(b)]",
            "a! { b } impl C {",
        ] {
            assert!(ends_in_block(text), "{text}");
        }
    }

    #[test]
    fn n_16_any_other_place_is_left_alone() {
        for text in [
            "",
            "impl A {}",
            "mod a {",
            "fn main() {",
            "fn a() -> impl B {",
            "impl A { fn b() {",
            "struct A {",
            "a! { impl B {",
            "a!(impl B {",
            "macro_rules! a { () => { impl B {",
            "#[a] const B: () = { impl C {",
            "// impl A {\n",
            "/* impl A { */",
            "const A: &str = \"impl A {\";",
            "const A: &str = r\"impl A {\";",
            "impl A { fn b() {} } }",
            "const A: char = '\\u{7b}'; mod b {",
            "\"",
            "/*",
            "'",
            "'\\",
            "r#\"",
            ") ] }",
        ] {
            assert!(!ends_in_block(text), "{text}");
        }
    }
}
