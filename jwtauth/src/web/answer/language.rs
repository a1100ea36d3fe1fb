//! The language of a page that a refusal becomes: which one a client asks for, and which way it is written.

/// Languages that are written from right to left, unless their tag names another script: the likely ones of
/// CLDR, with the old names of Hebrew and Yiddish.
const FROM_THE_RIGHT: [&str; 16] =
    ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"];

/// Scripts that are written from right to left.
const SCRIPTS_FROM_THE_RIGHT: [&str; 8] = ["adlm", "arab", "aran", "hebr", "nkoo", "rohg", "syrc", "thaa"];

/// Returns which way a language is written, for the attribute `dir`: `ltr` or `rtl`. A tag may name its
/// script (BCP 47, section 2.2.3).
pub(crate) fn direction(lang: &str) -> &'static str {
    let lang = lang.to_ascii_lowercase();
    let mut parts = lang.split('-');
    let language = parts.next().unwrap_or_default();
    let script = parts.find(|part| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let is_from_the_right = match script {
        Some(script) => SCRIPTS_FROM_THE_RIGHT.contains(&script),
        None => FROM_THE_RIGHT.contains(&language),
    };
    if is_from_the_right { "rtl" } else { "ltr" }
}

/// Returns the language that a client names first in `Accept-Language`, if it is one.
pub(crate) fn first_language(languages: &str) -> Option<&str> {
    let first = languages.split([',', ';']).next()?.trim();
    let is_tag = (1..=35).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_24_a_language_says_which_way_it_is_written() {
        for (lang, dir) in [
            ("ar", "rtl"),
            ("AR-EG", "rtl"),
            ("he", "rtl"),
            ("fa-IR", "rtl"),
            ("az-Arab", "rtl"),
            ("ur-Latn-PK", "ltr"),
            ("de", "ltr"),
            ("arn", "ltr"),
            ("", "ltr"),
        ] {
            assert_eq!(direction(lang), dir, "{lang}");
        }
    }

    #[test]
    fn n_24_the_first_language_of_a_client_is_a_tag_or_nothing() {
        for (languages, first) in [
            ("de-AT,de;q=0.9", Some("de-AT")),
            (" fr ;q=1", Some("fr")),
            ("*", None),
            ("", None),
            ("\"><script>", None),
        ] {
            assert_eq!(first_language(languages), first, "{languages}");
        }
    }
}
