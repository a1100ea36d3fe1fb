//! Which of our keys a token must be signed by, going by its header.
//!
//! `ring` has the keys, and the header of each one as we write it. This reads any other header.

use super::Parts;
use super::parse::Object;
use super::ring::{Held, Named};
use crate::error::TokenError;

/// Header members that change the meaning of a token. None is supported (J-7, J-20).
const UNSUPPORTED: [&str; 5] = ["b64", "crit", "cty", "enc", "zip"];

/// The key that a token must be signed by.
pub(super) struct FoundKey<'r> {
    pub(super) named: &'r Named,
    /// Whether the signature was verified already, to find the key.
    pub(super) has_signed: bool,
}

impl FoundKey<'_> {
    pub(super) fn signed(&self, token: &Parts<'_>) -> bool {
        self.has_signed || token.is_signed_by(&self.named.key)
    }
}

/// Finds the one key that a header may name, and checks that it names nothing else (J-3, J-7, J-8).
///
/// `kid` is looked up among our keys. A token of another service without `kid` may be signed by a key that
/// was replaced since: the key counts that has signed it, of those of its algorithm. Where one of our keys
/// signs, that is its algorithm. `jku`, `jwk`, `x5u` and `x5c` are never used and never fetched.
pub(super) fn found_key<'r>(
    held: &'r Held,
    header: &Object<'_>,
    token: &Parts<'_>,
) -> Result<FoundKey<'r>, TokenError> {
    let text = |name| header.text(name).map_err(|_| TokenError::Header(name));
    if let Some(name) = UNSUPPORTED.into_iter().find(|name| header.has(name)) {
        return Err(TokenError::Header(name));
    }
    let alg = text("alg")?;
    let goes_by_it = |named: &&Named| alg.is_some_and(|alg| named.key.goes_by(alg));
    let named = match (text("kid")?, held.signs()) {
        (Some(kid), _) => held.by_kid(kid),
        (None, Some(other)) if !goes_by_it(&other) => Some(other),
        (None, signs) => {
            let mut candidates = held.named().filter(goes_by_it);
            return match candidates.find(|named| token.is_signed_by(&named.key)) {
                Some(named) => Ok(FoundKey { named, has_signed: true }),
                None if signs.is_some() => Err(TokenError::BadSignature),
                None => Err(TokenError::UnknownKey),
            };
        }
    };
    let named = named.ok_or(TokenError::UnknownKey)?;
    if goes_by_it(&named) {
        Ok(FoundKey { named, has_signed: false })
    } else {
        Err(TokenError::WrongAlgorithm)
    }
}
