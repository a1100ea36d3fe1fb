//! A password as it was typed, and what is refused when one is chosen.

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::name::Name;
use crate::error::PasswordProblem;

/// The longest password, in bytes as it was typed.
const MAX_PASSWORD: usize = 1024;

/// What lenient decoders, such as poem's `Form`, put in the place of bytes that are no UTF-8. With it two
/// passwords would be one (N-20).
const REPLACED: char = char::REPLACEMENT_CHARACTER;

/// A password, normalised: NFC, every space a plain space (RFC 8265, section 4.2), so that all keyboards type
/// the same.
#[derive(Clone)]
pub(super) struct Password {
    normal: Zeroizing<String>,
    /// As it was typed, if that differs.
    typed: Option<Zeroizing<String>>,
}

impl Password {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.normal.as_bytes()
    }

    /// Returns the password as it was typed, if that differs: other programs hash that.
    pub(super) fn as_typed(&self) -> Option<&[u8]> {
        self.typed.as_ref().map(|typed| typed.as_bytes())
    }

    /// Takes a password to check. `None` if no account has it: it is too long, or parts of it were replaced.
    pub(super) fn typed(text: &str) -> Option<Self> {
        if text.len() > MAX_PASSWORD || text.contains(REPLACED) {
            return None;
        }
        // Room enough for the longest form, so that no part of it is left behind by growing.
        let mut password = Zeroizing::new(String::with_capacity(text.len() * 3));
        let spaces = |c: char| if c != ' ' && is_space(c) { ' ' } else { c };
        password.extend(text.nfc().map(spaces));
        let typed = (*password != text).then(|| Zeroizing::new(text.to_owned()));
        Some(Self { normal: password, typed })
    }

    /// Takes a newly chosen password.
    pub(super) fn chosen(text: &str, name: &str, min: usize) -> Result<Self, PasswordProblem> {
        if text.contains(REPLACED) {
            return Err(PasswordProblem::Charset);
        }
        let password = Self::typed(text).ok_or(PasswordProblem::TooLong { max: MAX_PASSWORD })?;
        if password.normal.chars().count() < min {
            return Err(PasswordProblem::TooShort { min });
        }
        if Name::parse(&password.normal).is_ok_and(|as_name| as_name.key == name) {
            return Err(PasswordProblem::IsName);
        }
        Ok(password)
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() && !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::typed(text).unwrap()
    }

    #[test]
    fn passwords_have_a_length_and_are_not_the_name() {
        let chosen = |text: &str| Password::chosen(text, "alice@example.com", 8);
        let (longest, too_long) = ("x".repeat(1024), "x".repeat(1025));
        for good in ["12345678", "\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}\u{fc}\u{e4}\u{f6}", "two words", &longest] {
            assert!(chosen(good).is_ok(), "{good:?}");
        }
        for bad in ["", "1234567", "😀😀😀😀😀😀😀", &too_long, "Alice@Example.com", " alice@example.com"]
        {
            assert!(chosen(bad).is_err(), "{bad:?}");
        }
        // Seven characters, whichever way they were typed.
        assert!(chosen("e\u{301}".repeat(7).as_str()).is_err());
        let same = [("e\u{301}", "\u{e9}"), ("\u{3000}", " "), ("\u{2003}", " ")];
        for (one, other) in same {
            assert_eq!(*password(one).normal, *password(other).normal, "{one:?} and {other:?}");
        }
        assert_ne!(
            *password("\u{ff21}").normal,
            *password("A").normal,
            "no more is folded than how it was typed"
        );
        let growing = password(&"\u{1d160}".repeat(256));
        assert!(growing.normal.len() <= 3 * 1024);
    }
}
