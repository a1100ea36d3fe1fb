//! "Did you mean": finds the known word for a mistyped word, or for a word of another library.

/// Returns the known word that the user most likely meant by `word`.
///
/// Each known word comes with its aliases: words of other libraries, and words that people try first.
pub(crate) fn suggest<'a>(
    word: &str,
    known: impl Iterator<Item = (&'a str, &'a [&'a str])> + Clone,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    if let Some((meant, _)) = known.clone().find(|(_, aliases)| aliases.contains(&word.as_str())) {
        return Some(meant);
    }
    known
        .map(|(known, _)| (distance(&word, known), known))
        // With more edits than this, it is another word and not a typing error.
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4 && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
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
            let known: [(&str, &[&str]); 2] = [("role", &[]), ("optional", &["guest"])];
            let got = suggest(word, known.into_iter());
            assert_eq!(got, want, "{word}");
        }
    }
}
