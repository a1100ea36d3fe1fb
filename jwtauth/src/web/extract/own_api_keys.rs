//! The API keys of the calling user, by [`Auth::api_keys`].

use std::time::Duration;

use poem::Result;

use super::auth::Auth;
use crate::clock::seconds_since;
use crate::id::SessionId;
use crate::record::Session;
use crate::session::{ApiKeyOrigin, ApiKeyRequest, IssuedApiKey};
use crate::web::answer::rejection::Rejection;

/// The API keys of the calling user: [`Auth::api_keys`] returns it. The guide
/// [`api_keys`](crate::guide::api_keys) says what a key may do.
///
/// ```
/// use jwtauth::Auth;
/// use poem::{Result, handler, web::Json};
/// use std::time::Duration;
///
/// #[handler]
/// async fn new_key(auth: Auth) -> Result<Json<String>> {
///     let ttl = Duration::from_secs(90 * 24 * 60 * 60);
///     let key = auth.api_keys().create("ci", ["posts:write"], ttl).await?;
///     Ok(Json(key.secret().to_owned()))
/// }
/// ```
///
/// Send a key with `Cache-Control: no-store`, and only once. An API key is refused by all of these, with 403:
/// a person has to be logged in.
#[derive(Debug)]
pub struct OwnApiKeys<'a>(&'a Auth);

impl Auth {
    /// Returns the API keys of the calling user, to list, make and revoke them. Nothing is looked up
    /// until one of its methods is called.
    #[must_use]
    pub const fn api_keys(&self) -> OwnApiKeys<'_> {
        OwnApiKeys(self)
    }
}

impl OwnApiKeys<'_> {
    /// Makes a key with these scopes, which the user has, and without roles. On disk when this returns.
    ///
    /// An [`Account`](crate::Account) has no scopes: give its key roles, with [`create_as`](Self::create_as).
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the login is older than
    /// [`login_age`](crate::ApiKeyConfig::login_age). An [`ApiKeyError`](crate::error::ApiKeyError) if the
    /// key is not allowed.
    pub async fn create<S: Into<String>>(
        &self,
        name: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
        ttl: Duration,
    ) -> Result<IssuedApiKey> {
        let request = ApiKeyRequest::new(name).ttl(ttl);
        self.create_as(scopes.into_iter().fold(request, |request, scope| request.scope(scope))).await
    }

    /// Makes a key as `request` says: with roles of the user too, for example.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    pub async fn create_as(&self, request: ApiKeyRequest) -> Result<IssuedApiKey> {
        let login = self.0.own_login().await?;
        // A key would last far longer than what lets a late request in.
        if self.0.is_late().await? {
            return Err(Rejection::TokenExpired.into());
        }
        let sessions = &self.0.shared.sessions;
        let max_age = sessions.login_age_for_keys();
        if seconds_since(login.auth_time, sessions.now()).is_none_or(|age| age > max_age) {
            return Err(Rejection::FreshLoginRequired { max_age }.into());
        }
        let origin = ApiKeyOrigin { login: Some(login.id), address: self.0.client_address() };
        Ok(sessions.create_api_key_by(&login, request, origin).await?)
    }

    /// Returns the live keys of the user, the newest first, each as its session: see
    /// [`Session::api_key`](crate::Session).
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed.
    pub async fn list(&self) -> Result<Vec<Session>> {
        let login = self.0.own_login().await?;
        Ok(self.0.shared.sessions.api_keys(&login.subject).await?)
    }

    /// Revokes one key of the user. Returns whether there was one with this id that was not revoked.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] if nobody is logged in, or if the store failed.
    pub async fn revoke(&self, id: SessionId) -> Result<bool> {
        let (login, sessions) = (self.0.own_login().await?, &self.0.shared.sessions);
        // A login is not revoked here.
        let is_key = sessions.has_api_key(&login.subject, id).await?;
        Ok(is_key && sessions.revoke(id).await?)
    }
}
