//! Verification without sessions, for services that accept the access tokens of another service.
//!
//! [`Verification`] decides, [`source`] says when to fetch the keys of the other service, and `fetch` fetches
//! them. Settings and the handling of requests are in `web`.
//!
//! # Invariants
//!
//! 1. Issuer and audience are always checked. A verifier cannot be built without them.
//! 2. Nothing here signs or reads refresh tokens, which have other keys.
//! 3. However many tokens a client sends, keys are fetched at most once in 30 seconds (J-8).
//! 4. A token of an unknown key is refused only if the set was fetched after the token was made. Before, its
//!    key may be new, and a client would throw a good token away: `KeysUnavailable`.
//!
//! For invariant 4 the token's `iat` is believed, though nobody has verified it. A stranger who invents keys
//! chooses with it whether their own answer is 401 or, until the next fetch, 503. They choose nobody else's,
//! because nothing is kept of them: whoever has a token of a key that was removed gets 401 all the time, and
//! a token of a new key is good from the next fetch on, which the stranger can only make come sooner.

#[cfg(feature = "fetch")]
pub(crate) mod fetch;
pub(crate) mod source;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::source::Source;
use crate::clock::Clock;
use crate::error::TokenError;
use crate::token::Expected;
use crate::token::stateless::ForeignTokens;
use crate::user::TokenUser;

/// Which tokens are accepted, and by which keys.
pub(crate) struct Verification {
    pub(crate) tokens: Arc<ForeignTokens>,
    pub(crate) source: Option<Source>,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) leeway: Duration,
    pub(crate) max_ttl: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// Refusals that the log has explained already.
    pub(crate) explained: Mutex<Vec<TokenError>>,
}

impl Verification {
    /// Verifies an access token: form, signature and every claim.
    pub(crate) async fn verify(&self, token: &str) -> Result<TokenUser, TokenError> {
        let verified = self.verify_by_newest(token).await;
        if let Err(error) = &verified {
            self.explain(*error);
        }
        verified
    }

    async fn verify_by_newest(&self, token: &str) -> Result<TokenUser, TokenError> {
        let Self { tokens, source, clock, .. } = self;
        let Some(source) = source else { return self.checked(token) };
        let mut is_asked_now = source.renew(tokens, clock, false).await?;
        let verified = self.checked(token);
        if !matches!(verified, Err(TokenError::UnknownKey)) {
            return verified;
        }
        is_asked_now |= source.renew(tokens, clock, true).await?;
        match self.checked(token) {
            Err(TokenError::UnknownKey) if !is_asked_now && self.may_have_new_key(token, source) => {
                Err(TokenError::KeysUnavailable)
            }
            verified => verified,
        }
    }

    /// Tells whether a token was made after the keys were fetched, so that its key may be good all the same.
    fn may_have_new_key(&self, token: &str, source: &Source) -> bool {
        // Without an `iat` it is never good, whatever its key is.
        self.tokens.issued_by(token).is_some_and(|time| {
            let latest = time.saturating_add(self.leeway.as_secs());
            !source.is_newer_than(latest, &*self.clock)
        })
    }

    /// Verifies with the current keys.
    fn checked(&self, token: &str) -> Result<TokenUser, TokenError> {
        self.tokens.verify(token, &self.expected(self.clock.now()))
    }

    /// Logs once what to write, for a refusal that is more likely a wrong setting than an attack.
    fn explain(&self, error: TokenError) {
        let advice = match error {
            TokenError::WrongAudience | TokenError::WrongIssuer => {
                "`Verifier::builder(issuer, audience)` must name what the issuer writes into `iss` and `aud`"
            }
            TokenError::Claim("exp") => "a token may not live longer than `.max_ttl(..)`",
            TokenError::RequiredClaim => "the next such refusal names the claim, at level debug",
            TokenError::Claim(_) | TokenError::Header("typ") | TokenError::WrongKind => {
                "if the issuer is no service of jwtauth, say how its access tokens look with `.issuer_profile(..)`"
            }
            TokenError::TooLong => {
                "a token has at most 8 KiB: let the issuer write fewer claims into it, such as groups"
            }
            TokenError::UnknownKey => {
                "no key has the `kid` of its header: take the key set of its issuer, or give the key that name with `Key::with_kid`"
            }
            TokenError::WrongAlgorithm => {
                "the key is for another `alg` than its header has: see `Key::with_algorithm`"
            }
            _ => return,
        };
        let mut explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        if !explained.contains(&error) {
            explained.push(error);
            let Self { issuer, audience, .. } = self;
            tracing::warn!(target: "jwtauth", event = "token_refused", issuer, audience, "{error}: {advice}");
        }
    }

    /// Returns the current time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    fn expected(&self, now: u64) -> Expected<'_> {
        let Self { issuer, audience, leeway, max_ttl, .. } = self;
        let (leeway, max_ttl) = (leeway.as_secs(), max_ttl.as_secs());
        Expected { issuer, audience, now, ahead: None, leeway, max_ttl }
    }
}
