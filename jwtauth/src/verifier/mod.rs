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

#[cfg(feature = "fetch")]
pub(crate) mod fetch;
pub(crate) mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether the log has warned already of a wrong issuer or audience in a genuine token.
    pub(crate) warned: AtomicBool,
}

impl Verification {
    /// Verifies an access token: form, signature and every claim.
    pub(crate) async fn verify(&self, token: &str) -> Result<TokenUser, TokenError> {
        let Self { tokens, source, clock, .. } = self;
        let Some(source) = source else { return self.checked(token) };
        source.renew(tokens, clock, false).await?;
        match self.checked(token) {
            Err(TokenError::UnknownKey) => {
                source.renew(tokens, clock, true).await?;
                self.checked(token)
            }
            verified => verified,
        }
    }

    /// Verifies with the current keys. A good signature with another issuer or audience is not an attack but
    /// a wrong setting, here or there. The log says so once.
    fn checked(&self, token: &str) -> Result<TokenUser, TokenError> {
        let verified = self.tokens.verify(token, &self.expected(self.clock.now()));
        if let Err(error @ (TokenError::WrongAudience | TokenError::WrongIssuer)) = &verified
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let Self { issuer, audience, .. } = self;
            tracing::warn!(target: "jwtauth", issuer, audience, "a genuine {error}: `Verifier::builder(issuer, audience)` must name what the issuer writes into `iss` and `aud`");
        }
        verified
    }

    /// Returns the current time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    fn expected(&self, now: u64) -> Expected<'_> {
        let Self { issuer, audience, leeway, max_ttl, .. } = self;
        Expected { issuer, audience, now, leeway: leeway.as_secs(), max_ttl: max_ttl.as_secs() }
    }
}
