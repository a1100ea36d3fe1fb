//! Text that others chose, where a terminal shows it.

use std::borrow::Cow;

/// Tells whether a terminal may take a character for a command, or show others in another order because of
/// it: the controls C0, DEL and C1, line and paragraph separators, and the marks of bidirectional text.
#[must_use]
pub const fn is_for_terminals(c: char) -> bool {
    // `char::is_control` is not `const` in all versions of Rust that work.
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}')
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Tells whether nobody sees a character: those that Unicode lets programs ignore
/// (`Default_Ignorable_Code_Point` of Unicode 16), white space, and the empty pattern of Braille.
#[must_use]
pub(crate) const fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}')
        || matches!(c, '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Tells whether a text has a character that can be seen.
pub(crate) fn has_visible(text: &str) -> bool {
    !text.chars().all(is_unseen)
}

/// Returns text that others chose without what a terminal would obey: a question mark in a box stands in the
/// place of each control character, and of each mark of bidirectional text.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_for_terminals(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns JSON in which a terminal finds nothing to obey either. It stays the same for programs. Controls
/// stand in its strings only: it is written without white space.
#[must_use]
pub fn json_for_terminals(json: &str) -> Cow<'_, str> {
    if !json.contains(is_for_terminals) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_for_terminals(c) {
            // All of them are below U+FFFF.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_those_of_the_standard_library() {
        for c in ('\0'..='\u{2000}').filter(|c| !matches!(c, '\u{061c}')) {
            assert_eq!(is_for_terminals(c), c.is_control(), "{c:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_no_text() {
        for unseen in
            ["", " ", "\u{200b}", "\u{ad}", "\u{2800}", "\u{3164}", "\u{115f}\u{feff} ", "\u{e0100}"]
        {
            assert!(!has_visible(unseen), "{unseen:?}");
        }
        for seen in ["a", "\u{200b}a", "é", "日", "👩\u{200d}🚀", ".", "\u{301}"] {
            assert!(has_visible(seen), "{seen:?}");
        }
    }

    #[test]
    fn json_says_the_same_without_what_a_terminal_obeys() {
        for text in ["a\u{202e}b", "\u{7f}\u{9b}", "\u{2066}ü\u{2028}", "Zoë", ""] {
            let json = serde_json::to_string(text).unwrap();
            let shown = json_for_terminals(&json);
            assert!(!shown.contains(is_for_terminals), "{shown}");
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_does_not_reach_it() {
        for c in ['\0', '\n', '\x1b', '\x7f', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}'] {
            assert_eq!(printable(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        for text in ["Zoë", "محمد", "日本", "a b", "x\u{200d}y"] {
            assert_eq!(printable(text), text);
        }
    }
}
