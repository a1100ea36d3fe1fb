//! What [`Auth`] does for clients that keep their tokens themselves: tokens in a body of the application's
//! own shape. The ready-made routes `/obtain` and `/refresh` use it too.

use super::auth::Auth;
use crate::error::SessionError;
use crate::session::Tokens;
use crate::user::AuthUser;

impl Auth {
    #[doc = include_str!("../../docs/issue_tokens.md")]
    pub async fn issue_tokens<U: AuthUser>(&self, user: &U) -> Result<Tokens, SessionError> {
        self.refuse_api_key()?;
        self.shared.sessions.login(user, self.device()).await
    }

    /// Spends a refresh token from a body and returns the next tokens. Sets no cookies.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::refresh`](crate::Sessions::refresh). With `?` in a handler they are answered with
    /// 401 for a token that is refused, and 503 if the store failed.
    pub async fn refresh_tokens(&self, refresh: &str) -> Result<Tokens, SessionError> {
        self.shared.sessions.refresh(refresh, &self.device()).await
    }
}
