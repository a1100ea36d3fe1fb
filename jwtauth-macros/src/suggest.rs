//! "Did you mean": finds the known word behind a mistyped or borrowed one.

/// Returns the word of `known` that `word` was most likely meant to be.
///
/// `aliases` pairs a word of other libraries, or a habit, with the known word it stands for.
pub(crate) fn suggest<'a>(word: &str, known: &[&'a str], aliases: &[(&str, &'a str)]) -> Option<&'a str> {
    let word = word.to_lowercase();
    if let Some((_, meant)) = aliases.iter().find(|(alias, _)| *alias == word) {
        return Some(meant);
    }
    known
        .iter()
        .map(|known| (distance(&word, known), *known))
        // A word of another length by half or more is a guess, not a typing error.
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4 && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Returns `, did you mean ..?` to end a sentence with, or nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str], aliases: &[(&str, &str)]) -> String {
    suggest(word, known, aliases).map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default()
}

/// Counts the single-letter edits that turn one word into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, suggest};

    #[test]
    fn distance_counts_edits() {
        let cases = [("", "", 0), ("", "ab", 2), ("role", "role", 0), ("rolle", "role", 1)];
        for (from, to, want) in cases {
            assert_eq!(distance(from, to), want, "{from} to {to}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("roel", "role"), 2);
    }

    #[test]
    fn suggests_near_words_and_aliases_only() {
        let cases = [
            ("rolle", Some("role")),
            ("ROLE", Some("role")),
            ("roel", Some("role")),
            ("optonal", Some("optional")),
            ("Guest", Some("optional")),
            ("r", None),
            ("banana", None),
            ("", None),
        ];
        for (word, want) in cases {
            let got = suggest(word, &["role", "optional"], &[("guest", "optional")]);
            assert_eq!(got, want, "{word}");
        }
    }
}
