//! Which names are allowed, and which are the same.
//!
//! Names are compared by a *key* (`account_key`). Most of what PRECIS (RFC 8265) forbids in names is
//! forbidden here too: spaces, controls, symbols, unassigned characters.
//!
//! # Invariants
//!
//! 1. The key of a key is the same key, and has no byte below a space.
//! 2. Names that look alike in two scripts stay different: decide by ids and roles, never by how a name
//!    looks.

use unicode_normalization::char::is_combining_mark;

use crate::account_key;
use crate::error::{AccountError, NameProblem};
use crate::plain_text::is_unseen;

/// The longest name, in bytes: an e-mail address has 254 at most (RFC 5321, section 4.5.3.1.3).
const MAX: usize = 255;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) shown: String,
    pub(super) key: String,
}

impl Name {
    /// Reads a name as it was typed, without the white space around it.
    pub(super) fn parse(typed: &str) -> Result<Self, AccountError> {
        Self::read(typed.trim()).map_err(|problem| AccountError::Name { problem })
    }

    /// Reads the name of a new account. It has no character that nobody sees: there could be another account
    /// whose name looks the same. Accounts that have such a name may log in.
    pub(super) fn chosen(typed: &str) -> Result<Self, AccountError> {
        let name = Self::parse(typed)?;
        if name.shown.contains(is_unseen) {
            return Err(AccountError::Name { problem: NameProblem::Invisible });
        }
        Ok(name)
    }

    fn read(typed: &str) -> Result<Self, NameProblem> {
        if typed.is_empty() {
            return Err(NameProblem::Empty);
        }
        // Check this first: normalising makes text up to 18 times as long.
        if typed.len() > MAX {
            return Err(NameProblem::TooLong { max: MAX });
        }
        let shown = account_key::shown(typed);
        let key = account_key::key_of(&shown);
        if let Some(bad) = shown.chars().chain(key.chars()).find(|c| !is_allowed(*c)) {
            return Err(if bad.is_whitespace() { NameProblem::Space } else { NameProblem::Symbol });
        }
        if shown.starts_with(is_combining_mark) {
            return Err(NameProblem::BeginsWithMark);
        }
        if shown.len().max(key.len()) > MAX {
            return Err(NameProblem::TooLong { max: MAX });
        }
        Ok(Self { shown, key })
    }
}

fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_ascii_graphic() || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    fn key(name: &str) -> String {
        Name::parse(name).unwrap_or_else(|problem| panic!("{name:?}: {problem}")).key
    }

    #[test]
    fn names_that_are_one() {
        for (one, other) in [
            ("Alice", "aLICE"),
            (" alice\t", "alice"),
            ("\u{ff21}lice", "alice"),      // a wide letter
            ("Andre\u{301}", "andr\u{e9}"), // composed or not
            ("STRASSE", "stra\u{df}e"),     // sharp s
            ("\u{1e9e}", "ss"),             // capital sharp s
            ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"), // final sigma
            ("\u{212a}elvin", "kelvin"),    // the sign of a unit
            ("o\u{fb03}ce", "OFFICE"),      // a ligature
            ("I", "\u{131}"),               // dotless
            ("\u{13a0}", "\u{ab70}"),       // Cherokee, whose capitals came first
        ] {
            assert_eq!(key(one), key(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn names_that_are_two() {
        for (one, other) in [("alice", "alicé"), ("alice", "аlice"), ("a.b", "ab"), ("1", "l"), ("a", "a'")]
        {
            assert_ne!(key(one), key(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn what_may_be_a_name() {
        let long = "a".repeat(255);
        for good in ["a", "bob@example.com", "o'hara", "हिन्दी", "日本", "محمد", "42", "a+b_c~", &long]
        {
            assert!(Name::parse(good).is_ok(), "{good:?}");
        }
        let (longer, grows) = (format!("{long}a"), "\u{1e96}".repeat(85));
        let bad = [
            "",
            "  ",
            "a b",
            "a\u{a0}b",
            "a\nb",
            "a\0b",
            "a\u{200b}b",
            "a\u{200d}b",
            "\u{202e}a",
            "a\u{feff}b",
            "\u{301}a",
            "😀",
            "a\u{378}b",
            "a\u{e000}",
            "\u{fdfa}",
            "\u{37a}",
            &longer,
            &grows.repeat(2),
        ];
        for bad in bad {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Name::parse(" Ann\u{e9}e ").unwrap().shown, "Ann\u{e9}e", "shown as it was typed");
    }

    #[test]
    fn a_new_name_has_no_character_that_nobody_sees() {
        for unseen in ["\u{3164}", "ann\u{3164}", "ann\u{115f}", "ann\u{ffa0}", "ann\u{fe0f}", "\u{34f}"] {
            assert!(Name::chosen(unseen).is_err(), "{unseen:?}");
        }
        for good in ["ann", "हिन्दी", "日本", "محمد", "bob@example.com"] {
            assert!(Name::chosen(good).is_ok(), "{good:?}");
        }
        assert!(Name::parse("ann\u{3164}").is_ok(), "an account that has it may log in");
    }

    /// Every character there is: folding a key gives the key, upper and lower case have one key.
    #[test]
    fn a_key_is_its_own_key() {
        let mut names = 0;
        // What neither has a case nor is normalised to anything else is its own key by what is allowed alone.
        let changes = |c: &char| {
            is_allowed(*c)
                && (!c.to_uppercase().eq([*c])
                    || !c.to_lowercase().eq([*c])
                    || ![*c].into_iter().nfkc().eq([*c]))
        };
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32).filter(changes) {
            let Ok(name) = Name::parse(&format!("x{c}")) else { continue };
            names += 1;
            assert_eq!(key(&name.key), name.key, "U+{:04X}", u32::from(c));
            assert_eq!(Name::parse(&name.shown).unwrap().key, name.key, "U+{:04X}", u32::from(c));
            for other in [c.to_uppercase().to_string(), c.to_lowercase().to_string()] {
                assert_eq!(key(&format!("X{other}")), name.key, "U+{:04X} as {other:?}", u32::from(c));
            }
            assert!(name.key.bytes().all(|byte| byte > b' '));
        }
        assert!(names > 5_000, "{names}");
    }
}
