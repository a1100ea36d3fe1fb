//! [`TokenUser`]: who is calling, by what the token says alone.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{AuthUser, Identity, Unfit};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUser(Arc<Says>);

/// What the token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Says {
    pub(crate) subject: Arc<str>,
    pub(crate) session: SessionId,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) auth_time: u64,
    pub(crate) expires_at: u64,
    pub(crate) claims: Map<String, Value>,
}

impl TokenUser {
    pub(crate) fn new(says: Says) -> Self {
        Self(Arc::new(says))
    }

    /// Returns the subject: who the user is to the issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the session at the issuer.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.session
    }

    /// Returns the roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Tells whether the user has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|known| known == role)
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Tells whether the user has a scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|known| known == scope)
    }

    /// Returns when the user proved who they are, in Unix seconds.
    #[must_use]
    pub fn auth_time(&self) -> u64 {
        self.0.auth_time
    }

    /// Returns when the token expires, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Returns all claims, the application's own among them.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
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
        T::deserialize(&self.0.claims).map_err(|error| {
            let expected = std::any::type_name::<T>();
            tracing::debug!(target: "jwtauth", expected, error = &error as &dyn std::error::Error, "claims of a token do not fit");
            TokenError::Claims { expected }
        })
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
        who.token().cloned().map(Some).ok_or_else(|| Unfit::NO_TOKEN.into())
    }
}
