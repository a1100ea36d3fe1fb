//! What a text looks like that names a store: a path, or the address of a database.

/// The words by which a text of the form `host=.. user=..` is known.
const DATABASE_WORDS: [&str; 6] = ["host", "hostaddr", "user", "dbname", "password", "port"];

/// Takes a URL apart, if it is one. A drive of Windows has one letter, and is no scheme.
pub(super) fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest))
}

/// Returns what the address of a database begins with that is written as for another program, such as
/// `jdbc:postgresql`. A directory of that name would have a password in it.
pub(super) fn other_form_of(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let ends = [":postgres:", ":postgresql:"].map(|word| lower.find(word).map(|at| at + word.len() - 1));
    let end = ends.into_iter().flatten().min()?;
    Some(lower[..end].to_owned())
}

/// Tells whether a text is the address of a database in which a `/` is missing.
pub(super) fn is_cut_short(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut rests = ["postgres:", "postgresql:"].iter().filter_map(|word| lower.strip_prefix(word));
    rests.any(|rest| !rest.is_empty() && !rest.starts_with("//"))
}

/// Tells whether a text begins as `host=.. user=..` does. There may be spaces around `=`.
pub(super) fn has_database_words(text: &str) -> bool {
    let Some((word, _)) = text.split_once('=') else { return false };
    let word = word.trim_end();
    if DATABASE_WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return true;
    }
    // Other settings may stand in front.
    let is_setting = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let is_known = |part: &str| DATABASE_WORDS.iter().any(|known| part.eq_ignore_ascii_case(known));
    is_setting
        && text.match_indices('=').skip(1).any(|(place, _)| {
            let before = text.get(..place).unwrap_or_default().trim_end();
            before.rsplit(char::is_whitespace).next().is_some_and(is_known)
        })
}
