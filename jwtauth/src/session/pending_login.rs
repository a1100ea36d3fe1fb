//! Logins whose answer has not left: what they do to other sessions waits for it.
//!
//! The session is on disk when the application has logged somebody in, but nobody holds its tokens before the
//! answer leaves. The handler may fail until then, or be dropped. So other devices are logged out when the
//! answer leaves ([`Sessions::hand_out`]), and not before.
//!
//! # Invariants
//!
//! 1. A login that is dropped, or whose answer is an error, ends no session but its own.
//! 2. A session whose login is pending does not count where sessions are limited. Other processes do not know
//!    that it is pending: there it counts for as long as its handler runs.
//! 3. A login counts before it looks who else is there. So of two that leave at once, one sees the other.

use std::fmt;
use std::sync::Arc;

use tracing::Instrument as _;

#[cfg(feature = "pages")]
use super::SameForm;
use super::Sessions;
use super::end::{Ends, MayEnd};
use super::unclaimed_session::UnclaimedSession;
use super::uncounted_sessions::UncountedSession;
use crate::error::{SessionError, StoreError};
use crate::id::SessionId;
use crate::record::{RevocationReason, Session};
use crate::store::{LoginEffects, SessionStore};
use crate::token::named_token::NamedToken;

/// A login whose answer has not left. If it is dropped, its session is revoked, and nothing else happens.
#[must_use]
pub(crate) struct PendingLogin {
    session: Session,
    effects: LoginEffects,
    /// Tokens of another service that the login replaces.
    pub(crate) replaced_tokens: Vec<NamedToken>,
    /// `None` for a session that its client can ask for again.
    unclaimed: Option<UnclaimedSession>,
    uncounted: Option<UncountedSession>,
    /// The form that it came by, if that has a name: it crowds out no other login of it.
    #[cfg(feature = "pages")]
    form: Option<Arc<SameForm>>,
}

impl PendingLogin {
    pub(super) const fn new(
        session: Session,
        effects: LoginEffects,
        unclaimed: Option<UnclaimedSession>,
        uncounted: Option<UncountedSession>,
    ) -> Self {
        Self {
            session,
            effects,
            replaced_tokens: Vec::new(),
            unclaimed,
            uncounted,
            #[cfg(feature = "pages")]
            form: None,
        }
    }

    /// Notes by which form it came.
    #[cfg(feature = "pages")]
    pub(crate) fn came_by(&mut self, form: Arc<SameForm>) {
        form.add(self.session.id, &self.effects.replaces);
        self.form = Some(form);
    }
}

impl Drop for PendingLogin {
    fn drop(&mut self) {
        if let Some(unclaimed) = &mut self.unclaimed {
            // It does not count until it is revoked.
            unclaimed.uncounted = self.uncounted.take();
        }
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogin").field("session", &self.session.id.log_id()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Returns what a login does to other sessions, when its answer leaves.
    pub(super) fn effects_with_answer(&self, session: &Session, replaces: Vec<SessionId>) -> LoginEffects {
        LoginEffects {
            replaces,
            max_sessions: Some(self.config.max_sessions),
            register: self.config.register(),
            settled: Some(self.settled()),
            put_off: true,
            uncounted: self.uncounted.of(&session.subject),
        }
    }

    /// Does what a login does to other sessions: its answer leaves now. Returns the session, unless it has
    /// ended meanwhile.
    ///
    /// If this fails, the session is revoked: the answer must say that the login has failed.
    pub(crate) async fn hand_out(
        &self,
        mut login: PendingLogin,
    ) -> Result<Option<Arc<Session>>, SessionError> {
        drop(login.uncounted.take());
        let mut effects = std::mem::take(&mut login.effects);
        effects.put_off = false;
        effects.uncounted = self.uncounted.of(&login.session.subject);
        #[cfg(feature = "pages")]
        if let Some(form) = &login.form {
            effects.uncounted.extend(form.sessions());
        }
        let (store, ends) = (Arc::clone(&self.store), Arc::clone(&self.ends));
        let handed_out = carry_out(store, ends, login.session.clone(), effects.clone());
        let found = match self.within(Box::pin(handed_out)).await {
            Err(SessionError::Store(StoreError::TimedOut { .. })) => {
                // It stands. What it does to others is done as soon as the store can.
                let session = login.session.clone();
                let later =
                    carry_out(Arc::clone(&self.store), Arc::clone(&self.ends), session.clone(), effects);
                let id = session.id;
                let later = async move {
                    if let Err(error) = later.await {
                        tracing::error!(target: "jwtauth", session = id.log_id(), error = &error as &dyn std::error::Error, "a login stands, and the sessions that it ends could not be revoked");
                    }
                };
                tokio::spawn(later.in_current_span());
                Some(Arc::new(session))
            }
            found => found?,
        };
        if found.is_some() {
            for token in &login.replaced_tokens {
                self.revoke_named(token, RevocationReason::Replaced).await?;
            }
        }
        if let Some(unclaimed) = login.unclaimed.take() {
            unclaimed.claim();
        }
        Ok(found)
    }

    /// Revokes the session of a login whose answer says that it has failed. Nothing else happens.
    pub(crate) async fn abandon(&self, mut login: PendingLogin) {
        let Some(unclaimed) = login.unclaimed.take() else { return };
        match self.revoke_for(login.session.id, RevocationReason::Requested).await {
            Ok(_) => unclaimed.claim(),
            // It is tried once more.
            Err(_) => drop(unclaimed),
        }
    }
}

/// Asks the store, and wakes those who wait for the end of a session that this may end.
async fn carry_out(
    store: Arc<dyn SessionStore>,
    ends: Arc<Ends>,
    session: Session,
    effects: LoginEffects,
) -> Result<Option<Arc<Session>>, StoreError> {
    let (subject, id, replaced) = (session.subject.clone(), session.id, effects.replaces.clone());
    let _following = ends.follow(MayEnd::These(&replaced));
    // A session that it crowds out is among these.
    let _following_others = ends.follow(MayEnd::Of { subject: &subject, except: Some(id) });
    store.hand_out(session, effects).await
}
