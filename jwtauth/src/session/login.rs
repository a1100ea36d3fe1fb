//! A login opens a session; nothing a client sent becomes part of it (S-7).

use super::{Issued, Sessions};
use crate::error::SessionError;
use crate::id::{SessionId, TokenId};
use crate::record::Session;

/// Longest subject, in bytes (OpenID Connect Core 1.0, section 2 allows 255).
const MAX_SUBJECT: usize = 255;

/// Who logs in, and what the same browser held before.
#[derive(Debug)]
pub(crate) struct NewSession {
    pub(crate) subject: String,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) user: Option<Vec<u8>>,
    /// Sessions that end with this login.
    pub(crate) replaces: Vec<SessionId>,
}

impl Sessions {
    /// Opens a session of new ids, durable when this returns.
    ///
    /// `fits` has a look at the tokens first: if they cannot be handed out, no session is left behind.
    pub(crate) async fn login(
        &self,
        new: NewSession,
        fits: impl Fn(&Issued) -> Result<(), SessionError> + Send,
    ) -> Result<Issued, SessionError> {
        if !(1..=MAX_SUBJECT).contains(&new.subject.len()) {
            return Err(SessionError::Subject { got: new.subject.len() });
        }
        let now = self.clock.now();
        let ends_at = now.saturating_add(self.config.absolute_ttl.as_secs());
        let session = Session {
            id: SessionId::random()?,
            subject: new.subject,
            roles: new.roles,
            scopes: new.scopes,
            user: new.user,
            created_at: now,
            auth_time: now,
            ends_at,
            expires_at: now.saturating_add(self.config.refresh_ttl.as_secs()).min(ends_at),
            generation: 0,
            rotated_at: now,
            refresh_id: TokenId::random()?,
            revoked: None,
        };
        let issued = self.issue(session.clone(), now)?;
        fits(&issued)?;
        let replaced = new.replaces.len();
        self.within(self.store.insert(session, new.replaces)).await?;
        tracing::info!(target: "jwtauth", event = "login", session = issued.session.id.log_id(), replaced);
        Ok(issued)
    }
}
