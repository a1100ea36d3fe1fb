//! Access tokens: short-lived, `typ: at+jwt` (RFC 9068), sent with every request.

use std::ops::Range;
use std::sync::Arc;

use super::parse::Object;
use super::ring::Ring;
use super::simplejwt::{self, Foreign, Origin, UserId, Written};
use super::token_weight::{self, Weighed};
use super::verified::{Assurance, VerifiedTokens};
use super::{Envelope, Expected, OpenedToken, check_audience, required, token_claims};
use crate::claims::{ACCESS, AccessClaims};
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::id::{SessionId, TokenId};
use crate::key::Key;
use crate::user::TokenUser;

/// The `typ` of access tokens (RFC 9068).
pub(super) const TYP: &str = "at+jwt";

#[derive(Debug)]
pub(crate) struct AccessTokens {
    pub(super) envelope: Envelope,
    seen: VerifiedTokens<Access>,
    compat: Option<Compat>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) subject: Arc<str>,
    /// See [`Self::names`].
    pub(crate) session: SessionId,
    pub(crate) token: TokenId,
    /// In Unix seconds, by the time of sessions.
    pub(crate) issued_at: u64,
    /// Details, if another service has issued it on its own.
    pub(crate) foreign: Option<Arc<Foreign>>,
    /// The user, if another service has issued it on its own and it is valid.
    pub(crate) user: Option<TokenUser>,
    /// The own refresh token from which another service has made it.
    pub(crate) origin: Option<Origin>,
}

impl Access {
    /// Returns the session that the token names. A token that another service has issued on its own names
    /// none.
    pub(crate) fn names(&self) -> Option<SessionId> {
        self.foreign.is_none().then_some(self.session)
    }
}

impl Weighed for Access {
    fn heap_bytes(&self) -> usize {
        let user = self.user.as_ref().map_or(0, Weighed::heap_bytes);
        token_weight::text(&self.subject) + token_weight::foreign(self.foreign.as_deref()) + user
    }
}

/// A genuine access or sliding token: still valid, or valid except for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verified<T = Access> {
    Valid(T),
    Expired(T),
}

impl<T> Verified<T> {
    /// Returns what the token says, expired or not.
    pub(crate) const fn said(&self) -> &T {
        let (Self::Valid(said) | Self::Expired(said)) = self;
        said
    }
}

impl AccessTokens {
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let envelope = Envelope::new(Ring::new(TYP, keys)?.into());
        Ok(Self { envelope, seen: VerifiedTokens::new(), compat: None })
    }

    /// Like [`Self::new`], for tokens in the form of another library. Tokens issued before stay valid.
    pub(super) fn compatible(keys: Vec<Key>, compat: &Compat) -> Result<Self, KeyError> {
        let envelope =
            Envelope { ring: Ring::new(simplejwt::TYP, keys)?.into(), former: Some(TYP), profile: None };
        Ok(Self { envelope, seen: VerifiedTokens::new(), compat: Some(compat.clone()) })
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.envelope.ring
    }

    pub(super) const fn compat(&self) -> Option<&Compat> {
        self.compat.as_ref()
    }

    /// Tells whether the same claims make the same token.
    pub(crate) fn writes_alike(&self) -> bool {
        self.ring().held().signs().is_some_and(|it| it.key.algorithm().is_deterministic())
    }

    pub(crate) fn issue(&self, claims: &AccessClaims<'_>) -> String {
        match &self.compat {
            None => self.envelope.seal(claims),
            Some(compat) => self.envelope.seal(&Written { claims, user: UserId::of(compat, claims.sub) }),
        }
    }

    /// Returns how long a token stays good that was verified just now.
    pub(crate) fn assurance(&self, token: &str) -> Option<Assurance> {
        self.seen.assurance(token)
    }

    /// Tells whether verifying a token again would succeed.
    pub(crate) fn is_still_good(&self, assurance: &Assurance, expected: &Expected<'_>) -> bool {
        assurance.holds(self.envelope.under(expected), expected.now)
    }

    /// Verifies form, signature and every claim, or remembers that they were good. `expected` must be the
    /// same in every call, except `now`. An expired token is returned as such, because it may still name a
    /// session to refresh or to end.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Verified, TokenError> {
        if let Some(access) = self.seen.find(token, self.envelope.under(expected), expected.now) {
            return Ok(Verified::Valid(access));
        }
        let opened = self.envelope.open(token, expected)?;
        let (mut verified, good) = check(&opened, self.compat.as_ref(), expected)?;
        if let (Verified::Valid(access), Some(good)) = (&mut verified, good) {
            if access.foreign.is_some() {
                access.user =
                    Some(token_claims::read(&opened.json, Arc::clone(&access.subject), access.session)?);
            }
            self.seen.remember(token, &opened, good, access);
        }
        Ok(verified)
    }
}

/// Checks the claims of a token whose signature is good. Returns when it is valid, unless it has expired.
pub(super) fn check(
    opened: &OpenedToken,
    compat: Option<&Compat>,
    expected: &Expected<'_>,
) -> Result<(Verified, Option<Range<u64>>), TokenError> {
    match compat {
        Some(compat) if opened.current => check_foreign(&opened.json, compat, expected),
        _ => check_own(&opened.json, expected),
    }
}

/// Checks the claims of a token in our own form.
fn check_own(json: &str, expected: &Expected<'_>) -> Result<(Verified, Option<Range<u64>>), TokenError> {
    let claims = Object::parse(json)?;
    let good = super::unless_expired(super::check(&claims, ACCESS, expected))?;
    check_audience(&claims, expected)?;
    required(claims.time("auth_time", f64::floor), "auth_time")?;
    let access = Access {
        subject: super::subject(&claims)?.into(),
        session: super::id(&claims, "sid")?,
        token: super::id(&claims, "jti")?,
        issued_at: issued_at(&claims, expected, true)?,
        foreign: None,
        user: None,
        origin: None,
    };
    Ok((if good.is_some() { Verified::Valid(access) } else { Verified::Expired(access) }, good))
}

/// Likewise for a token in the form of another library.
fn check_foreign(
    json: &str,
    compat: &Compat,
    expected: &Expected<'_>,
) -> Result<(Verified, Option<Range<u64>>), TokenError> {
    let claims = Object::parse(json)?;
    let simplejwt::SimplejwtClaims { subject, session, token, foreign, origin } =
        simplejwt::read(&claims, ACCESS, compat)?;
    let good = simplejwt::check(&claims, expected)?;
    let issued_at = issued_at(&claims, expected, foreign.is_none() && origin.is_none())?;
    let access = Access { subject, session, token, issued_at, foreign, user: None, origin };
    Ok((if good.is_some() { Verified::Valid(access) } else { Verified::Expired(access) }, good))
}

fn issued_at(claims: &Object<'_>, expected: &Expected<'_>, is_ours: bool) -> Result<u64, TokenError> {
    let iat = required(claims.time("iat", f64::floor), "iat")?;
    Ok(iat.saturating_add(expected.shift(claims, is_ours)?))
}
