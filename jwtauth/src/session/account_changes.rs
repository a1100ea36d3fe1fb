//! Changes of accounts that revoke sessions, and logins that race with such a change.

use std::sync::Arc;

use crate::error::SessionError;
use crate::events::Event;
use crate::id::{AccountId, SessionId};
use crate::record::RevocationReason;
use crate::store::{AccountStore, StoredAccount, SubjectRevocation};
use crate::user::AuthUser;

use super::Sessions;
use super::end::MayEnd;

impl Sessions {
    /// Changes an account, wakes those who wait for the end of the sessions that it revokes, and reports the
    /// event that it is, if any.
    ///
    /// Returns whether the account was at the expected revision. If not, nothing has happened.
    pub(crate) async fn change_account(
        &self,
        store: Arc<dyn AccountStore>,
        account: StoredAccount,
        expected: u64,
        revocation: Option<SubjectRevocation>,
        event: Option<Event>,
    ) -> Result<bool, SessionError> {
        let subject = account.id.to_string();
        if let Some(revocation) = revocation {
            self.deny_subject(&subject, revocation.except).await?;
        }
        let of_subject = |it: SubjectRevocation| MayEnd::Of { subject: &subject, except: it.except };
        let _told = revocation.map(|it| self.ends.follow(of_subject(it)));
        let change = async move { store.change_account(account, expected, revocation).await };
        let of = subject.clone();
        let events = move |ended: &Option<usize>| {
            // Where nothing was changed and nothing has ended, nothing has happened.
            let revoked = ended.zip(revocation).filter(|(count, _)| *count > 0 || event.is_some());
            let revoked = revoked.map(|(count, revocation)| all_revoked(of, revocation, count));
            revoked.into_iter().chain(ended.and(event))
        };
        Ok(self.report_after(change, events).await?.is_some())
    }

    /// Removes an account, wakes those who wait for the end of its sessions, and reports that. Returns
    /// whether it existed.
    pub(crate) async fn remove_account(
        &self,
        store: Arc<dyn AccountStore>,
        id: AccountId,
        revocation: SubjectRevocation,
    ) -> Result<bool, SessionError> {
        let subject = id.to_string();
        self.deny_subject(&subject, None).await?;
        let _told = self.ends.follow(MayEnd::Of { subject: &subject, except: None });
        let remove = async move { store.remove_account(id, revocation).await };
        let of = subject.clone();
        let events = move |ended: &Option<usize>| {
            let revoked = ended.map(|count| all_revoked(of, revocation, count));
            revoked.into_iter().chain(ended.map(|_| Event::AccountRemoved { account: id }))
        };
        Ok(self.report_after(remove, events).await?.is_some())
    }

    /// Revokes a new session if its account has changed since it was read: its password, roles or state.
    ///
    /// A change revokes existing sessions. This covers a session that was about to be opened (S-11). Either
    /// the change sees the session, or this sees the change.
    pub(super) async fn confirm<U: AuthUser>(
        &self,
        user: &U,
        session: SessionId,
    ) -> Result<(), SessionError> {
        let (Some(revision), Some(accounts)) = (user.account_revision(), &self.accounts) else {
            return Ok(());
        };
        let account = match user.subject().parse() {
            Ok(id) => accounts.account(id).await?,
            Err(_) => None,
        };
        if account.is_some_and(|account| account.active && account.revision == revision) {
            return Ok(());
        }
        self.revoke_for(session, RevocationReason::Inactive).await?;
        Err(SessionError::Inactive)
    }
}

fn all_revoked(subject: String, theirs: SubjectRevocation, count: usize) -> Event {
    Event::AllRevoked { subject, except: theirs.except, count, reason: theirs.revocation.reason }
}
