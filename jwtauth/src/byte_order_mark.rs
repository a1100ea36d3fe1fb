//! The mark that programs of Windows put in front of a text in UTF-8. It is no part of what somebody wrote,
//! and nobody sees it.
//!
//! A secret with one is refused (`secret`), because other programs that read the same file would take it for
//! a part of the secret.

/// Returns a text without the mark in front of it.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns bytes that may be such a text without the mark.
#[must_use]
pub fn bytes_without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mark_goes_and_only_from_the_start() {
        for (text, expected) in
            [("\u{feff}a", "a"), ("a\u{feff}", "a\u{feff}"), ("", ""), ("\u{feff}\u{feff}a", "\u{feff}a")]
        {
            assert_eq!(without_mark(text), expected);
            assert_eq!(bytes_without_mark(text.as_bytes()), expected.as_bytes());
        }
    }
}
