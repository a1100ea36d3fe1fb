//! Finds out whether `#[handler]` is above `#[require_auth]`, to add a clear message.
//!
//! In that order, `#[handler]` has read the request before the guard can run. Its tokens do not show it: they
//! are those of a plain function. Only the source text above the attribute does.
//!
//! Safety does not depend on this file. The order never compiles, because `#[handler]` cannot call the struct
//! of the expansion (see `endpoint`). So the text is read in a simple way: backwards over comments and
//! attributes, until something else appears.

use super::attributes::HANDLER;

/// Returns the source before `attribute`.
///
/// There is no file for the tokens of another macro, or for those that rust-analyzer sends.
pub(crate) fn source_before(attribute: proc_macro::Span) -> Option<String> {
    let source = std::fs::read_to_string(attribute.local_file()?).ok()?;
    text_before(&source, attribute.line(), attribute.column()).map(str::to_owned)
}

/// Returns the source before a position. Lines and characters are counted from 1.
fn text_before(source: &str, line: usize, column: usize) -> Option<&str> {
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let within: usize = source.get(start..)?.chars().take(column.checked_sub(1)?).map(char::len_utf8).sum();
    source.get(..start + within)
}

/// Tells whether one of the attributes at the end of a text is `#[handler]`.
pub(super) fn ends_in_handler(mut text: &str) -> bool {
    loop {
        text = without_trailing_comments(text);
        let Some((rest, attribute)) = split_last_attribute(text) else {
            return false;
        };
        let path = attribute.split(['(', '=', '{', '[']).next().unwrap_or_default();
        if is_poems(path) {
            return true;
        }
        text = rest;
    }
}

/// Whether a path names poem's `#[handler]`. Alone it may be another's after an import; behind another module
/// it is another's, and may well stand above.
fn is_poems(path: &str) -> bool {
    let mut segments = path.rsplit("::").map(str::trim);
    segments.next() == Some(HANDLER) && segments.next().is_none_or(|before| before == "poem")
}

/// Removes white space and comments from the end.
fn without_trailing_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_end();
        let line = text.rfind('\n').map_or(0, |newline| newline + 1);
        if text.ends_with("*/") {
            // The nearest `/*` is good enough. With nested comments, only the message is missing.
            let Some(start) = text.rfind("/*") else {
                return text;
            };
            text = &text[..start];
        } else if let Some(start) = line_comment(&text[line..]) {
            text = &text[..line + start];
        } else {
            return text;
        }
    }
}

/// Returns the place of a `//` in a line that is not in a string, as in a link.
fn line_comment(line: &str) -> Option<usize> {
    line.match_indices("//").map(|(at, _)| at).find(|at| line[..*at].matches('"').count().is_multiple_of(2))
}

/// Splits `.. #[attribute]` into the text before it and the text in its brackets.
fn split_last_attribute(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_suffix(']')?;
    let mut depth = 1;
    let open = inside.char_indices().rev().find_map(|(at, char)| {
        match char {
            ']' => depth += 1,
            '[' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })?;
    let rest = inside[..open].trim_end().strip_suffix('#')?;
    Some((rest, &inside[open + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_handler_above() {
        let yes = [
            "#[handler]\n",
            "#[handler] ",
            "fn a() {}\n#[poem::handler]\n    ",
            "#[ ::poem :: handler ]\n",
            "#[handler(internal)]\n",
            "#[handler] // reads the body\n/* and */ /// more\n",
            "#[handler]\n#[instrument(skip(a[0]))]\n#[doc = \"https://a.b/[c]\"]\n",
        ];
        for text in yes {
            assert!(ends_in_handler(text), "{text}");
        }
    }

    #[test]
    fn sees_no_handler_elsewhere() {
        let no = [
            "",
            "use poem::handler;\n",
            "#[handler]\nfn a() {}\n",
            "// #[handler]\n",
            "/// #[handler]\n/// fn a() {}\n",
            "/** #[handler] */\n",
            "#[doc = \"#[handler]\"]\n",
            "#[handler_of_mine]\n",
            "#[tracing_of_mine::handler]\n",
            "#[poem::other::handler(internal)]\n",
            "#![handler]\n",
            "]\n",
            "[handler]\n",
        ];
        for text in no {
            assert!(!ends_in_handler(text), "{text}");
        }
    }

    #[test]
    fn finds_the_position_in_characters() {
        let source = "/* é */ #[handler]\n  #[require_auth]\nfn a() {}\n";
        assert_eq!(text_before(source, 1, 1), Some(""));
        assert_eq!(text_before(source, 1, 9), Some("/* é */ "));
        assert_eq!(text_before(source, 2, 3), Some("/* é */ #[handler]\n  "));
        assert_eq!(text_before(source, 0, 1), None);
        assert_eq!(text_before(source, 9, 1), Some(source));
    }
}
