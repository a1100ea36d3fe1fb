//! [`TokenUser`]: the caller, as the token alone describes it.

use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{AuthUser, Identity, TokenSource, Unfit};
use crate::error::{BoxError, TokenError};
use crate::id::SessionId;

/// Who is calling, as the access token says. Nobody has checked that the session is still live.
///
/// After a revocation the token is accepted until it expires, so at most for the issuer's `access_ttl`. The
/// same is true for a role that was taken away. It comes from [`Verifier::verify`](crate::Verifier::verify),
/// and is an extractor behind a [`Verifier`](crate::Verifier).
///
/// To allow anonymous users in a plain `#[handler]`, take [`MaybeUser<TokenUser>`](crate::MaybeUser). poem's
/// `Option<TokenUser>` hides that keys could not be fetched. Behind `#[require_auth(optional)]` both do the
/// same.
///
/// It is an [`Identity`] with the claims of its token: it has the same methods, and `&TokenUser` can be
/// passed for `&Identity`.
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

    /// Returns the subject: the issuer's name for the user.
    // These three are not left to `Deref`, because `AuthUser` has methods of the same names.
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

    /// Returns all claims, including the application's own.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims.claims
    }

    /// Reads the claims into a type of the application. Claims that the type does not name are ignored.
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
    /// [`TokenError::Claims`] if a claim is missing or of another type. The log says which, at level `debug`.
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

/// As a user type, for [`MaybeUser`](crate::MaybeUser) and [`CurrentUser`](crate::CurrentUser).
impl AuthUser for TokenUser {
    type Store = ();

    fn subject(&self) -> String {
        AuthUser::subject(&self.identity)
    }

    fn roles(&self) -> Vec<String> {
        AuthUser::roles(&self.identity)
    }

    fn scopes(&self) -> Vec<String> {
        AuthUser::scopes(&self.identity)
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        who.token().map(Some).ok_or_else(|| Unfit::NO_TOKEN.into())
    }
}
