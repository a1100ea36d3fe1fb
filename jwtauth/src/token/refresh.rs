//! Refresh tokens: a session id and a generation, signed by a key of their own. Single use.
//!
//! If another library reads them too, they have the keys and the form of its tokens, see `simplejwt`. Tokens
//! issued before stay valid.

use std::sync::Arc;

use super::access::{Access, AccessTokens};
use super::parse::Object;
use super::ring::Ring;
use super::simplejwt::{self, Foreign, SimplejwtClaims, UserId, Written};
use super::token_weight::{self, Weighed};
use super::verified::VerifiedTokens;
use super::{Envelope, Expected, check, required};
use crate::claims::{REFRESH, RefreshClaims};
use crate::compat::Compat;
use crate::error::{KeyError, TokenError};
use crate::id::SessionId;
use crate::key::Key;

/// What marks are made of.
const MARKED: &[u8] = b"jwtauth: mark of a secret";

#[derive(Debug)]
pub(crate) struct RefreshTokens {
    own: RefreshForm,
    compatible: Option<(RefreshForm, Compat)>,
}

#[derive(Debug)]
struct RefreshForm {
    envelope: Envelope,
    seen: VerifiedTokens<Refresh>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) subject: Arc<str>,
    /// See [`Self::names`].
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
    /// Details, if another service has issued it on its own.
    pub(crate) foreign: Option<Arc<Foreign>>,
}

impl Refresh {
    /// Returns the session that the token names. A token that another service has issued on its own names
    /// none.
    pub(crate) fn names(&self) -> Option<SessionId> {
        self.foreign.is_none().then_some(self.session)
    }
}

impl Weighed for Refresh {
    fn heap_bytes(&self) -> usize {
        token_weight::text(&self.subject) + token_weight::foreign(self.foreign.as_deref())
    }
}

impl Access {
    /// Tells whether a refresh token may be of the same login. Two tokens that another service has issued on
    /// its own have only their subject in common.
    pub(crate) fn goes_with(&self, refresh: &Refresh) -> bool {
        match (self.names(), refresh.names()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.subject == refresh.subject,
            _ => false,
        }
    }
}

impl RefreshTokens {
    pub(crate) fn new(keys: Vec<Key>) -> Result<Self, KeyError> {
        let own = RefreshForm::new(Ring::new("rt+jwt", keys)?.into());
        Ok(Self { own, compatible: None })
    }

    /// Like [`Self::new`], for tokens in the form of another library, with the keys of access tokens. Tokens
    /// issued before, with `keys`, stay valid.
    pub(super) fn compatible_with(
        keys: Vec<Key>,
        access: &AccessTokens,
        compat: &Compat,
    ) -> Result<Self, KeyError> {
        let form = RefreshForm::new(Arc::clone(&access.envelope.ring));
        Ok(Self { compatible: Some((form, compat.clone())), ..Self::new(keys)? })
    }

    pub(super) const fn envelope(&self) -> &Envelope {
        &self.own.envelope
    }

    /// The form of another library, if it reads them too.
    pub(super) fn compatible(&self) -> Option<(&Envelope, &Compat)> {
        self.compatible.as_ref().map(|(form, compat)| (&form.envelope, compat))
    }

    /// What the key that signs makes of a fixed text, to be compared elsewhere. The text has no `.`, so it is
    /// never what a token signs.
    pub(crate) fn mark(&self) -> String {
        let held = self.own.envelope.ring.held();
        let signs = held.signs().expect("the secret signs refresh tokens");
        signs.key.sign(MARKED)
    }

    /// Tells whether one of the keys has made a mark.
    pub(crate) fn knows_mark(&self, mark: &str) -> bool {
        self.own.envelope.ring.held().keys().any(|key| key.verify(MARKED, mark))
    }

    pub(crate) fn issue(&self, claims: &RefreshClaims<'_>) -> String {
        match &self.compatible {
            None => self.own.envelope.seal(claims),
            Some((form, compat)) => {
                let user = UserId::of(compat, claims.sub);
                form.envelope.seal(&Written { claims, user })
            }
        }
    }

    /// Verifies form, signature and every claim, or remembers that they were good. `expected` must be the
    /// same in every call, except `now`.
    pub(crate) fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Refresh, TokenError> {
        if let Some((form, compat)) = &self.compatible {
            match form.verify(token, expected, |claims| read_foreign(claims, compat, expected)) {
                // Its header tells the two forms apart, before any key is used.
                Err(TokenError::WrongKind) => {}
                other => return other,
            }
        }
        self.own.verify(token, expected, |claims| {
            let good = check(claims, REFRESH, expected)?;
            let refresh = Refresh {
                subject: super::subject(claims)?.into(),
                session: super::id(claims, "sid")?,
                generation: required(claims.integer("gen"), "gen")?,
                foreign: None,
            };
            Ok((refresh, good))
        })
    }
}

/// What a token says, and when it is good.
type ReadRefresh = (Refresh, std::ops::Range<u64>);

impl RefreshForm {
    fn new(ring: Arc<Ring>) -> Self {
        Self { envelope: Envelope::new(ring), seen: VerifiedTokens::new() }
    }

    fn verify(
        &self,
        token: &str,
        expected: &Expected<'_>,
        read: impl FnOnce(&Object<'_>) -> Result<ReadRefresh, TokenError>,
    ) -> Result<Refresh, TokenError> {
        if let Some(refresh) = self.seen.find(token, self.envelope.under(expected), expected.now) {
            return Ok(refresh);
        }
        let opened = self.envelope.open(token, expected)?;
        let (refresh, good) = read(&Object::parse(&opened.json)?)?;
        self.seen.remember(token, &opened, good, &refresh);
        Ok(refresh)
    }
}

fn read_foreign(
    claims: &Object<'_>,
    compat: &Compat,
    expected: &Expected<'_>,
) -> Result<ReadRefresh, TokenError> {
    let SimplejwtClaims { subject, session, foreign, origin, .. } = simplejwt::read(claims, REFRESH, compat)?;
    // A token that opens a session is its first generation.
    let generation = match (&foreign, origin) {
        (Some(_), _) => 0,
        (None, Some(origin)) => origin.generation,
        (None, None) => return Err(TokenError::Claim("gen")),
    };
    let good = simplejwt::check(claims, expected)?.ok_or(TokenError::Expired)?;
    Ok((Refresh { subject, session, generation, foreign }, good))
}
