//! What a role and a scope may be called, for all who name one: guards, logins, accounts, API keys, tokens.
//!
//! # Invariants
//!
//! 1. A token writes scopes as one text with spaces (RFC 6749, section 3.3). A scope that it writes is one
//!    scope for whoever reads it.
//! 2. What a session or an account may have, a guard may ask for. Nothing else can be had.

use super::plain_text::is_for_terminals;

/// What is wrong with what [`is_role`] refuses.
pub(crate) const NO_ROLE: &str = "a role is one name, without control characters and marks of \
                                  bidirectional text, without white space around it, and without `,` \
                                  `;` `|` `&&` (a name with `=` may have them): write several roles as \
                                  several items";

/// What is wrong with what [`is_scope`] refuses.
pub(crate) const NO_SCOPE: &str = "a scope is one name of visible ASCII without `\"` `\\` (RFC 6749, \
                                   section 3.3), and without `,` `;` `|` `&&` (a name with `=` may have \
                                   them): write several scopes as several items";

/// Tells whether a text is one role, and no list of them that nobody has.
pub(crate) const fn is_role(name: &str) -> bool {
    !name.is_empty() && is_one_name(name)
}

/// Tells whether a text is one scope.
pub(crate) const fn is_scope(name: &str) -> bool {
    is_scope_token(name) && is_one_name(name)
}

/// Returns the scopes as one text, as in the claim `scope`. What is no scope is left out: it would be read as
/// another one.
pub(crate) fn scope_text(scopes: &[String]) -> String {
    scopes.iter().map(String::as_str).filter(|scope| is_scope_token(scope)).collect::<Vec<_>>().join(" ")
}

/// Returns the scopes in such a text.
pub(crate) fn scopes_in(text: &str) -> impl Iterator<Item = &str> {
    text.split_ascii_whitespace()
}

/// Tells whether a text is what the standard calls a scope.
pub(crate) const fn is_scope_token(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_graphic() || bytes[at] == b'"' || bytes[at] == b'\\' {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty()
}

/// Tells whether a text is one name. With `=` it is the distinguished name of a directory or an address with
/// a query, where separators belong into the name.
pub(crate) const fn is_one_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let (mut at, mut has_separator, mut is_distinguished) = (0, false, false);
    let (mut is_space, mut is_and) = (false, false);
    while at < bytes.len() {
        let (c, length) = char_at(bytes, at);
        // `R&D` is one name, `a && b` and `a & b` are two.
        has_separator |= matches!(c, ',' | ';' | '|');
        has_separator |= (c == '&' && is_space) || (is_and && (c == '&' || c.is_whitespace()));
        is_distinguished |= c == '=';
        (is_space, is_and) = (c.is_whitespace(), c == '&');
        if is_for_terminals(c) || (is_space && at == 0) {
            return false;
        }
        at += length;
    }
    !is_space && (is_distinguished || !has_separator)
}

/// Returns the character that starts at a byte, and its length. The bytes are those of a `str`.
const fn char_at(bytes: &[u8], at: usize) -> (char, usize) {
    let (mut code, length) = match bytes[at] {
        byte @ ..=0x7f => (byte as u32, 1),
        byte @ ..=0xdf => ((byte & 0x1f) as u32, 2),
        byte @ ..=0xef => ((byte & 0x0f) as u32, 3),
        byte => ((byte & 0x07) as u32, 4),
    };
    let mut next = 1;
    while next < length {
        code = code << 6 | (bytes[at + next] & 0x3f) as u32;
        next += 1;
    }
    match char::from_u32(code) {
        Some(c) => (c, length),
        None => (char::REPLACEMENT_CHARACTER, length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The macro decides by the methods of `str` and `char`, and its answers are the same.
    #[test]
    fn n_15_characters_are_those_of_the_standard_library() {
        let mut buffer = [0; 4];
        for c in '\0'..=char::MAX {
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(char_at(bytes, 0), (c, c.len_utf8()));
        }
        for c in ('\0'..='\u{3001}').filter(|c| c.is_whitespace() || c.is_control()) {
            assert!(!is_one_name(&format!("{c}a")) && !is_one_name(&format!("a{c}")), "{c:?}");
            assert_eq!(is_one_name(&format!("a{c}b")), !is_for_terminals(c), "{c:?}");
        }
    }

    #[test]
    fn n_15_a_role_or_scope_is_one_name() {
        for name in ["admin", "Team Lead", "R&D", "größe", "cn=ops,dc=example"] {
            assert!(is_role(name), "{name:?}");
        }
        for name in ["", " ", "a,b", "a & b", "a& b", "a &b", "a&&b", "a\tb", "\u{a0}a", "a\u{202e}b"] {
            assert!(!is_role(name), "{name:?}");
        }
        for name in ["posts:read", "*", "https://a.b/c?d=e&f=g"] {
            assert!(is_scope(name), "{name:?}");
        }
        for name in ["", "a b", "größe", "a\"", "a,b", "a&&b"] {
            assert!(!is_scope(name), "{name:?}");
        }
    }

    #[test]
    fn n_15_a_text_of_scopes_has_as_many_as_there_are() {
        let scopes = ["a", "b c", "", "d"].map(str::to_owned);
        assert_eq!(scope_text(&scopes), "a d");
        assert_eq!(scopes_in("a d").collect::<Vec<_>>(), ["a", "d"]);
    }
}
