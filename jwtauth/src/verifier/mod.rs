//! Verification without sessions, for services that take the access tokens of another one.
//!
//! [`Verification`] decides; [`source`] says when the keys of the other one are asked for, and `fetch` asks.
//! Who configures it, and how a request gets there, is in `web`.
//!
//! # Invariants
//!
//! 1. Issuer and audience are always checked; there is no way to build one without them.
//! 2. Nothing here signs, and nothing here can read a refresh token: those have other keys.
//! 3. Nobody who sends tokens can make it fetch keys more than once in 30 seconds (J-8).

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

/// What is believed of tokens, and by which keys.
pub(crate) struct Verification {
    pub(crate) tokens: Arc<ForeignTokens>,
    pub(crate) source: Option<Source>,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) leeway: Duration,
    pub(crate) max_ttl: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether the log knows already that tokens of the right keys name somebody else.
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

    /// Verifies with the keys that there are. A good signature with another issuer or audience is no attack
    /// but a setting, of here or there: the log says so, once.
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

    /// Returns the time that everything is decided by, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    fn expected(&self, now: u64) -> Expected<'_> {
        let Self { issuer, audience, leeway, max_ttl, .. } = self;
        Expected { issuer, audience, now, leeway: leeway.as_secs(), max_ttl: max_ttl.as_secs() }
    }
}
