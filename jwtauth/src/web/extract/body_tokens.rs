//! What [`Auth`] does for clients that keep their tokens themselves: tokens in a body of the application's
//! own shape. The ready-made routes `/obtain` and `/refresh` use it too.

use super::auth::Auth;
use crate::error::SessionError;
use crate::session::{Eviction, PendingLogin, Tokens};
use crate::user::AuthUser;

impl Auth {
    #[doc = include_str!("../../docs/issue_tokens.md")]
    pub async fn issue_tokens<U: AuthUser>(&self, user: &U) -> Result<Tokens, SessionError> {
        self.refuse_api_key()?;
        let sessions = &self.shared.sessions;
        let (tokens, pending) = sessions.login_with_answer(user, self.device()).await?;
        self.leaves_with(pending).await?;
        Ok(tokens)
    }

    /// Likewise with one sliding token.
    pub(crate) async fn issue_sliding_token<U: AuthUser>(&self, user: &U) -> Result<Tokens, SessionError> {
        let sessions = &self.shared.sessions;
        let (tokens, pending) = sessions.open_sliding(user, self.device(), Eviction::WithAnswer).await?;
        self.leaves_with(pending).await?;
        Ok(tokens)
    }

    /// Spends a refresh token from a body and returns the next tokens. Sets no cookies.
    ///
    /// # Errors
    ///
    /// Those of [`Sessions::refresh`](crate::Sessions::refresh). With `?` in a handler they are answered with
    /// 401 for a token that is refused, and 503 if the store failed.
    pub async fn refresh_tokens(&self, refresh: &str) -> Result<Tokens, SessionError> {
        let sessions = &self.shared.sessions;
        let (tokens, pending) = sessions.refresh_with_answer(refresh, &self.device()).await?;
        self.leaves_with(pending).await?;
        Ok(tokens)
    }

    /// Keeps a login until its answer leaves. Without one, because the answer has left, it is carried out.
    async fn leaves_with(&self, pending: Option<Box<PendingLogin>>) -> Result<(), SessionError> {
        if let Some(late) = pending.and_then(|login| self.handle.leaves_with_body(login)) {
            self.shared.sessions.hand_out(*late).await?;
        }
        Ok(())
    }
}
