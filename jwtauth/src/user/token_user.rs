//! [`TokenUser`]: who is calling, by what the token says alone.

use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{AuthUser, Identity, TokenSource, Unfit};
use crate::error::{BoxError, TokenError};
use crate::id::SessionId;

/// Who is calling, as the access token says: nobody was asked whether the session is still alive.
///
/// A session that was ended is refused when its token expires, so within the issuer's `access_ttl`, and a role
/// that was taken away likewise. Comes from [`Verifier::verify`](crate::Verifier::verify), and is an extractor
/// behind a [`Verifier`](crate::Verifier).
///
/// In a plain `#[handler]` that takes strangers too, write [`MaybeUser<TokenUser>`](crate::MaybeUser): poem's
/// `Option<TokenUser>` takes keys that could not be fetched for a stranger. Behind `#[require_auth(optional)]` both
/// do the same.
///
/// It is an [`Identity`] with the claims of its token: roles, scopes and the rest are read as from `&Identity`, and a
/// `&TokenUser` goes where a `&Identity` is asked for.
#[derive(Clone, Debug)]
pub struct TokenUser {
    identity: Identity,
    claims: Arc<VerifiedClaims>,
}

/// Two are equal if their tokens say the same.
impl PartialEq for TokenUser {
    fn eq(&self, other: &Self) -> bool {
        self.claims == other.claims
    }
}

impl Eq for TokenUser {}

/// What a verified token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct VerifiedClaims {
    pub(crate) subject: Arc<str>,
    pub(crate) session: SessionId,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) auth_time: u64,
    pub(crate) expires_at: u64,
    pub(crate) claims: Map<String, Value>,
}

impl TokenUser {
    pub(crate) fn new(claims: VerifiedClaims) -> Self {
        Self::of(Arc::new(claims), TokenSource::Bearer)
    }

    pub(super) fn of(claims: Arc<VerifiedClaims>, source: TokenSource) -> Self {
        Self { identity: Identity::of_claims(Arc::clone(&claims), source), claims }
    }

    pub(super) fn into_claims(self) -> Arc<VerifiedClaims> {
        self.claims
    }

    /// Returns the subject: who the user is to the issuer.
    // This and the next two are here, and not only behind `Deref`, because `AuthUser` has methods of these names.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.identity.subject()
    }

    /// Returns the roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        self.identity.roles()
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        self.identity.scopes()
    }

    /// Returns when the token expires, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.claims.expires_at
    }

    /// Returns all claims, the application's own among them.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims.claims
    }

    /// Reads the claims into a type of the application's own; those that it does not name are left out.
    ///
    /// ```
    /// use jwtauth::{TokenUser, require_auth};
    /// use poem::Result;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Claims {
    ///     sub: String, // always text
    ///     tenant: String,
    ///     seats: Option<u32>,
    /// }
    ///
    /// #[require_auth]
    /// async fn plan(user: TokenUser) -> Result<String> {
    ///     let claims: Claims = user.claims_as()?; // 401 `token_not_valid` if they do not fit
    ///     Ok(format!("{} of {}: {:?} seats", claims.sub, claims.tenant, claims.seats))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TokenError::Claims`] if a claim is missing or of another type. Which one is in the log, at the level `debug`.
    pub fn claims_as<T: DeserializeOwned>(&self) -> Result<T, TokenError> {
        T::deserialize(&self.claims.claims).map_err(|error| {
            let expected = std::any::type_name::<T>();
            tracing::debug!(target: "jwtauth", expected, error = &error as &dyn std::error::Error, "claims of a token do not fit");
            TokenError::Claims { expected }
        })
    }
}

impl Deref for TokenUser {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// What the token says as a user type, for [`MaybeUser`](crate::MaybeUser) and [`CurrentUser`](crate::CurrentUser).
impl AuthUser for TokenUser {
    type Store = ();

    fn subject(&self) -> String {
        Self::subject(self).to_owned()
    }

    fn roles(&self) -> Vec<String> {
        Self::roles(self).to_vec()
    }

    fn scopes(&self) -> Vec<String> {
        Self::scopes(self).to_vec()
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        who.token().map(Some).ok_or_else(|| Unfit::NO_TOKEN.into())
    }
}
