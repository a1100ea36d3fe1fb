//! By what names of accounts are compared: the key of a name.
//!
//! A key is the name normalised (NFKC), case folded, normalised again, as Unicode defines for identifiers
//! (section 3.13, D147). `unicode-normalization` normalises (unicode-rs, last release 2026-10, MSRV 1.36, one
//! small dependency). The case tables are those of the standard library, down, up and down, which folds
//! slightly more than Unicode asks for: the Turkish dotless `ı` and `i` are the same. The alternative was a
//! PRECIS profile (RFC 8265, UsernameCaseMapped). Its only Rust implementation has one maintainer and its own
//! table generator, and it lowers instead of folding: `STRASSE` and `straße` would differ.
//!
//! # Invariants
//!
//! 1. The key of a key is the same key.

use unicode_normalization::UnicodeNormalization as _;

/// Returns a name as it is shown.
pub(crate) fn shown(typed: &str) -> String {
    typed.nfkc().collect()
}

/// Returns the key of a name that is as it is [shown].
pub(crate) fn key_of(shown: &str) -> String {
    // Down first, for capitals that have no way up: the capital sharp s becomes the small one, that SS, that
    // ss.
    let folded = shown.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    folded.flat_map(char::to_lowercase).nfkc().collect()
}
