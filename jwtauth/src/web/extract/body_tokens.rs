//! What [`Auth`] does for clients that keep their tokens by themselves: tokens go out in a body of the application's own
//! shape. The ready-made routes `/obtain` and `/refresh` with tokens in bodies do the same through it.

use super::auth::Auth;
use crate::error::SessionError;
use crate::session::Tokens;
use crate::user::AuthUser;

impl Auth {
    /// Opens a session for `user` and returns its tokens, for a body of the application's own shape. Sets no cookies.
    ///
    /// For clients that keep tokens by themselves, as the ready-made route `/obtain` with
    /// [`body_tokens`](crate::Routes::body_tokens) is: whatever script can read the answer can read the tokens. The
    /// session has the device of this request, hooks are asked and told as of every login, and no other session ends.
    ///
    /// ```
    /// use jwtauth::{Auth, AuthUser, Rejection};
    /// use poem::{Result, handler, web::Json};
    /// use serde::{Deserialize, Serialize};
    /// # #[derive(Clone, Serialize, Deserialize, AuthUser)]
    /// # struct User { id: u64 }
    /// # #[derive(Deserialize)]
    /// # struct Credentials { email: String, password: String }
    /// # async fn check_password(_: Credentials) -> Option<User> { None }
    ///
    /// #[derive(Serialize)]
    /// struct Session {
    ///     access_token: String,
    ///     refresh_token: Option<String>,
    ///     lifetime: u64,
    /// }
    ///
    /// impl From<jwtauth::Tokens> for Session {
    ///     fn from(tokens: jwtauth::Tokens) -> Self {
    ///         Self {
    ///             access_token: tokens.access().into(),
    ///             refresh_token: tokens.refresh().map(Into::into),
    ///             lifetime: tokens.expires_in,
    ///         }
    ///     }
    /// }
    ///
    /// #[handler]
    /// async fn sign_in(auth: Auth, Json(form): Json<Credentials>) -> Result<Json<Session>> {
    ///     let user = check_password(form).await.ok_or(Rejection::InvalidCredentials)?;
    ///     Ok(Json(auth.issue_tokens(&user).await?.into()))
    /// }
    ///
    /// #[handler]
    /// async fn renew(auth: Auth, Json(refresh_token): Json<String>) -> Result<Json<Session>> {
    ///     Ok(Json(auth.refresh_tokens(&refresh_token).await?.into()))
    /// }
    /// ```
    ///
    /// The answer has `Cache-Control: no-store`, as every answer of a handler that takes an `Auth`.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::login`](crate::Sessions::login).
    pub async fn issue_tokens<U: AuthUser>(&self, user: &U) -> Result<Tokens, SessionError> {
        self.shared.sessions.login(user, self.device()).await
    }

    /// Spends a refresh token from a body and returns the next tokens. Sets no cookies.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::refresh`](crate::Sessions::refresh). As poem's error each is answered by itself: 401 for a
    /// token that is refused, 503 if the store failed.
    pub async fn refresh_tokens(&self, refresh: &str) -> Result<Tokens, SessionError> {
        self.shared.sessions.refresh(refresh, &self.device()).await
    }
}
