//! Which session a token names: all that can be said of a token whose signature and kind are ours.
//!
//! Nothing here asks whether the token is good now. Its times, and the issuer, audience and lifetimes that
//! are set by now, say nothing about what it stands for. It is for what ends sessions, and gives access to
//! nothing.

use std::sync::Arc;

use super::access::AccessTokens;
use super::parse::Object;
use super::refresh::RefreshTokens;
use super::simplejwt::{self, Foreign, SimplejwtClaims};
use super::sliding::SlidingTokens;
use super::{Envelope, check_kind, required};
use crate::claims::{ACCESS, AHEAD, REFRESH, SLIDING};
use crate::compat::Compat;
use crate::error::TokenError;
use crate::id::{SessionId, TokenId};
use crate::registry::TokenKind;

/// What a genuine token says of itself, good or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedToken {
    pub(crate) kind: TokenKind,
    /// To be compared with the record of the session.
    pub(crate) subject: Arc<str>,
    /// The session; for a token that another service has issued on its own, an id that only this token has.
    pub(crate) session: SessionId,
    pub(crate) token: TokenId,
    /// Of refresh and sliding tokens, and of access tokens that another service has made from a refresh
    /// token.
    pub(crate) generation: Option<u64>,
    /// In Unix seconds, as all times.
    pub(crate) issued_at: u64,
    /// A sliding token: when it cannot be renewed any more.
    pub(crate) expires_at: u64,
    /// Details, if another service has issued it on its own.
    pub(crate) foreign: Option<Arc<Foreign>>,
}

impl NamedToken {
    /// Tells whether both stand for one session. Of tokens that another service has issued on its own, each
    /// stands for itself.
    pub(crate) fn names_the_same(&self, other: &Self) -> bool {
        self.session == other.session && self.subject == other.subject
    }
}

impl AccessTokens {
    /// Returns what a token of this kind names, at whatever time and under whatever settings it was issued.
    pub(crate) fn name(&self, token: &str) -> Result<NamedToken, TokenError> {
        name(&self.envelope, self.compat(), TokenKind::Access, token)
    }
}

impl RefreshTokens {
    /// Like [`AccessTokens::name`].
    pub(crate) fn name(&self, token: &str) -> Result<NamedToken, TokenError> {
        if let Some((envelope, compat)) = self.compatible() {
            match name(envelope, Some(compat), TokenKind::Refresh, token) {
                // Its header tells the two forms apart, before any key is used.
                Err(TokenError::WrongKind) => {}
                other => return other,
            }
        }
        name(self.envelope(), None, TokenKind::Refresh, token)
    }
}

impl SlidingTokens {
    /// Like [`AccessTokens::name`].
    pub(crate) fn name(&self, token: &str) -> Result<NamedToken, TokenError> {
        name(&self.envelope, None, TokenKind::Sliding, token)
    }
}

fn name(
    envelope: &Envelope,
    compat: Option<&Compat>,
    kind: TokenKind,
    token: &str,
) -> Result<NamedToken, TokenError> {
    let opened = envelope.open_at_any_time(token)?;
    let claims = Object::parse(&opened.json)?;
    let time = |name| required(claims.time(name, f64::floor), name);
    let (claim, end) = match kind {
        TokenKind::Access => (ACCESS, "exp"),
        TokenKind::Refresh => (REFRESH, "exp"),
        TokenKind::Sliding => (SLIDING, "refresh_exp"),
    };
    // By the time of sessions, as when a token is verified. Django copies the claim, with times of its own.
    let is_derived = kind == TokenKind::Access && claims.has("gen");
    let ahead = claims.integer(AHEAD).map_err(|_| TokenError::Claim(AHEAD))?.filter(|_| !is_derived);
    let shifted = |time: u64| time.saturating_add(ahead.unwrap_or(0));
    let (issued_at, expires_at) = (shifted(time("iat")?), shifted(time(end)?));
    if let Some(compat) = compat.filter(|_| opened.current) {
        let SimplejwtClaims { subject, session, token, foreign, origin } =
            simplejwt::read(&claims, claim, compat)?;
        let generation = origin.map(|origin| origin.generation);
        return Ok(NamedToken { kind, subject, session, token, generation, issued_at, expires_at, foreign });
    }
    check_kind(&claims, claim)?;
    let generation = claims.integer("gen").map_err(|_| TokenError::Claim("gen"))?;
    if generation.is_none() && kind != TokenKind::Access {
        return Err(TokenError::Claim("gen"));
    }
    Ok(NamedToken {
        kind,
        subject: super::subject(&claims)?.into(),
        session: super::id(&claims, "sid")?,
        token: super::id(&claims, "jti")?,
        generation,
        issued_at,
        expires_at,
        foreign: None,
    })
}
