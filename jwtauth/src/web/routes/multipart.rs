//! The text fields of a `multipart/form-data` body (RFC 7578), which Django's clients and `FormData` send.
//!
//! The body is in memory, and small. A reader of this form alone is shorter than the code around one: poem's
//! feature `multipart` brings four crates, reads file by file, and decodes text without saying that bytes
//! were replaced.
//!
//! What is not exactly a text field is refused: files, encodings of transfer, other charsets.

use super::form_error::FormError;
use crate::web::headers::parameters::Parameters;

/// The longest boundary (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Returns the fields in their order, with name and value.
pub(super) fn fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, FormError> {
    if boundary.is_empty()
        || boundary.len() > MAX_BOUNDARY
        || !boundary.bytes().all(|b| (b' '..=b'~').contains(&b))
    {
        return Err(FormError::Malformed);
    }
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    // The first one stands at the start, with or without the line break.
    let first = body.strip_prefix(&delimiter[..]).or_else(|| body.strip_prefix(&delimiter[2..]));
    let mut rest = first.ok_or(FormError::Malformed)?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        // Space and tab may stand behind a boundary.
        let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let part = rest[padding..].strip_prefix(b"\r\n").ok_or(FormError::Malformed)?;
        let (head, behind) = split(part, b"\r\n\r\n").ok_or(FormError::Malformed)?;
        let (value, next) = split(behind, &delimiter).ok_or(FormError::Malformed)?;
        fields.push((name(text(head)?)?, text(value)?.to_owned()));
        rest = next;
    }
    Ok(fields)
}

/// Returns the name of a field from the headers of its part.
fn name(head: &str) -> Result<String, FormError> {
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':').ok_or(FormError::Malformed)?;
        let parsed = || Parameters::parse(value).ok_or(FormError::Malformed);
        match &*header.to_ascii_lowercase() {
            "content-disposition" => {
                let value = parsed()?;
                if value.get("filename").or(value.get("filename*")).is_some() {
                    return Err(FormError::File);
                }
                let named = value.get("name").filter(|_| value.value == "form-data" && name.is_none());
                name = Some(named.ok_or(FormError::Malformed)?.to_owned());
            }
            "content-type" => {
                let value = parsed()?;
                if value.value != "text/plain" {
                    return Err(FormError::File);
                }
                if !value.is_utf8() {
                    return Err(FormError::Charset);
                }
            }
            "content-transfer-encoding" if !["7bit", "8bit", "binary"].contains(&&*parsed()?.value) => {
                return Err(FormError::File);
            }
            _ => {}
        }
    }
    name.ok_or(FormError::Malformed)
}

fn text(bytes: &[u8]) -> Result<&str, FormError> {
    std::str::from_utf8(bytes).map_err(|_| FormError::NotUtf8)
}

/// Returns what stands before and behind the first `mark`.
fn split<'b>(bytes: &'b [u8], mark: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body with the boundary `x`, whose line breaks are written as `|`.
    fn read(body: &str) -> Result<Vec<(String, String)>, FormError> {
        fields(body.replace('|', "\r\n").as_bytes(), "x")
    }

    #[test]
    fn n_20_text_fields_as_clients_write_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (body, expected) in [
            ("--x--|", vec![]),
            // Django's test client, Python's requests.
            (
                "--x|Content-Disposition: form-data; name=\"a\"||1|--x|Content-Disposition: form-data; name=\"b\"||2|--x--|",
                vec![pair("a", "1"), pair("b", "2")],
            ),
            // .NET: no quotes, and a type.
            (
                "--x|Content-Type: text/plain; charset=utf-8|Content-Disposition: form-data; name=a||\u{fc}|--x--|",
                vec![pair("a", "\u{fc}")],
            ),
            // Dart, OkHttp.
            (
                "--x|content-disposition: form-data; name=\"a\"|content-type: text/plain; charset=utf-8|content-transfer-encoding: binary|content-length: 1||1|--x--",
                vec![pair("a", "1")],
            ),
            ("|--x \t|content-disposition: form-data; name=a|||--x--|epilogue", vec![pair("a", "")]),
            (
                "--x|content-disposition: form-data; name=a||1||--|--y|--x--|",
                vec![pair("a", "1\r\n\r\n--\r\n--y")],
            ),
        ] {
            assert_eq!(read(body).unwrap_or_else(|error| panic!("{body}: {error}")), expected, "{body}");
        }
    }

    #[test]
    fn n_20_what_is_no_text_field_is_refused() {
        let part = |head: &str| format!("--x|{head}||1|--x--|");
        let named = "content-disposition: form-data; name=a";
        for (body, expected) in [
            (String::new(), FormError::Malformed),
            ("--y--|".into(), FormError::Malformed),
            ("preamble|--x--|".into(), FormError::Malformed),
            ("--x".into(), FormError::Malformed),
            ("--x|".into(), FormError::Malformed),
            (format!("--x|{named}||1"), FormError::Malformed),
            (format!("--x|{named}||1|--x"), FormError::Malformed),
            (format!("--x|{named}||1|--xy--|"), FormError::Malformed),
            (format!("--x\n{named}\n\n1\n--x--\n"), FormError::Malformed),
            (part(""), FormError::Malformed),
            (part("a"), FormError::Malformed),
            (part("content-type: text/plain"), FormError::Malformed),
            (part("content-disposition: form-data"), FormError::Malformed),
            (part("content-disposition: attachment; name=a"), FormError::Malformed),
            (part(&format!("{named}; name=b")), FormError::Malformed),
            (part(&format!("{named}|{named}")), FormError::Malformed),
            (part(&format!("{named}; filename=\"\"")), FormError::File),
            (part(&format!("{named}; filename*=UTF-8''a")), FormError::File),
            (part(&format!("{named}|content-type: application/octet-stream")), FormError::File),
            (part(&format!("{named}|content-transfer-encoding: base64")), FormError::File),
            (part(&format!("{named}|content-type: text/plain; charset=iso-8859-1")), FormError::Charset),
        ] {
            let refused = read(&body).unwrap_err();
            assert_eq!(refused.to_string(), expected.to_string(), "{body}");
        }
        let bytes = b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n\xfc\r\n--x--";
        assert!(matches!(fields(bytes, "x"), Err(FormError::NotUtf8)));
        for boundary in ["", &"x".repeat(71), "\u{fc}", "a\tb"] {
            assert!(matches!(fields(b"", boundary), Err(FormError::Malformed)), "{boundary}");
        }
    }
}
