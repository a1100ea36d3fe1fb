//! Revokes sessions, lists them, and renews the user in them.

use std::slice;
use std::sync::Arc;

use super::Sessions;
use super::end::MayEnd;
use crate::error::SessionError;
use crate::events::Event;
use crate::id::SessionId;
use crate::record::{Revocation, RevocationReason, Session};
use crate::store::{SubjectRevocation, UserUpdate};
use crate::user::AuthUser;

impl Sessions {
    /// Revokes one session, whoever's it is: see [`revoke_of`](Self::revoke_of) for users and their own.
    /// Returns whether it existed and was not revoked before.
    ///
    /// Durable when this returns. The very next request with any of its tokens is refused.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; the session may then be alive or not.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, SessionError> {
        self.revoke_for(id, RevocationReason::Requested).await
    }

    /// Revokes one session of this user, and of no other one. Returns whether there was one with this id that
    /// was not revoked. For handlers in which users log out their own devices: an id that came from a client
    /// may be anybody's.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; the session may then be alive or not.
    pub async fn revoke_of(&self, subject: &str, id: SessionId) -> Result<bool, SessionError> {
        // Whether it has expired or not: the clock may be ahead of others.
        match self.load(id).await? {
            Some(session) if session.subject == subject => self.revoke(id).await,
            _ => Ok(false),
        }
    }

    pub(crate) async fn revoke_for(
        &self,
        id: SessionId,
        reason: RevocationReason,
    ) -> Result<bool, SessionError> {
        let _following = self.ends.follow(MayEnd::These(slice::from_ref(&id)));
        let (store, revocation) = (Arc::clone(&self.store), self.revocation(reason));
        let revoke = async move { store.revoke(id, revocation).await };
        self.report_after(revoke, move |revoked| {
            revoked.then_some(Event::SessionRevoked { session: id, reason })
        })
        .await
    }

    /// Revokes all sessions of a subject, API keys included. Returns how many were not revoked before.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; then either all are revoked or none.
    pub async fn revoke_all(&self, subject: &str) -> Result<usize, SessionError> {
        self.revoke_subject(subject, None, RevocationReason::LogoutAll).await
    }

    /// Revokes all sessions of a subject except one and API keys. Returns how many were not revoked before.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed; then either all are revoked or none.
    pub async fn revoke_others(&self, subject: &str, except: SessionId) -> Result<usize, SessionError> {
        self.revoke_subject(subject, Some(except), RevocationReason::Requested).await
    }

    async fn revoke_subject(
        &self,
        subject: &str,
        except: Option<SessionId>,
        reason: RevocationReason,
    ) -> Result<usize, SessionError> {
        self.deny_subject(subject, except).await?;
        let _following = self.ends.follow(MayEnd::Of { subject, except });
        let revocation = SubjectRevocation { except, ..SubjectRevocation::all(self.revocation(reason)) };
        let (store, subject) = (Arc::clone(&self.store), subject.to_owned());
        let theirs = subject.clone();
        let revoke = async move { store.revoke_subject(theirs, revocation).await };
        self.report_after(revoke, move |&count| Some(Event::AllRevoked { subject, except, count, reason }))
            .await
    }

    /// Returns the live sessions of a subject, API keys included, the newest first.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store failed.
    pub async fn list(&self, subject: &str) -> Result<Vec<Session>, SessionError> {
        let now = self.clock.now();
        let mut sessions = self.store.sessions_of(subject.into()).await?;
        sessions.retain(|session| session.is_live_at(now));
        sessions.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
        Ok(sessions)
    }

    /// Renews roles, scopes and the copy of a user in all sessions of that user that were not revoked.
    /// Returns in how many. One that has expired and was not swept counts: it may be live where the clock is
    /// behind.
    ///
    /// A session of another [kind](AuthUser::KIND) of user keeps its copy, and gets the roles and scopes:
    /// they belong to the subject. Sessions keep their copies too if `user` is of a type that keeps none.
    ///
    /// If the user is no longer active ([`AuthUser::is_active`]), revokes all these sessions instead.
    ///
    /// # Errors
    ///
    /// - [`SessionError::Subject`], [`SessionError::User`] and [`SessionError::TokenTooLarge`] as in a login.
    /// - [`SessionError::Store`] if the store failed.
    pub async fn update_user<U: AuthUser>(&self, user: &U) -> Result<usize, SessionError> {
        if !user.is_active() {
            return self.revoke_subject(&user.subject(), None, RevocationReason::Inactive).await;
        }
        let Session { subject, roles, scopes, user, user_kind, .. } = self.draft_and_issue(user).await?;
        let update = UserUpdate { roles, scopes, user, user_kind };
        self.within(self.store.update_user(subject, update)).await
    }

    /// Returns the session that a login of `user` would open now, and checks that its tokens are not too
    /// large. At the next refresh that would be too late.
    pub(crate) async fn draft_and_issue<U: AuthUser>(&self, user: &U) -> Result<Session, SessionError> {
        let as_after_a_login = self.draft(user)?;
        let own = self.own_claims(&as_after_a_login).await?;
        Ok(self.issue(as_after_a_login, &own, self.clock.now())?.session)
    }

    fn revocation(&self, reason: RevocationReason) -> Revocation {
        Revocation { at: self.clock.now(), reason }
    }
}
