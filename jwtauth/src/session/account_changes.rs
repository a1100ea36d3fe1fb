//! Changes of accounts that revoke sessions, and logins that race with such a change.

use crate::error::SessionError;
use crate::events::Event;
use crate::id::{AccountId, SessionId};
use crate::record::RevocationReason;
use crate::store::{AccountStore, StoredAccount, SubjectRevocation};
use crate::user::AuthUser;

use super::Sessions;
use super::end::MayEnd;

impl Sessions {
    /// Changes an account, and wakes those who wait for the end of the sessions that it revokes.
    ///
    /// Returns whether the account was at the expected revision. If not, nothing has happened.
    pub(crate) async fn change_account(
        &self,
        store: &dyn AccountStore,
        account: StoredAccount,
        expected: u64,
        ends: Option<SubjectRevocation>,
    ) -> Result<bool, SessionError> {
        let subject = account.id.to_string();
        if let Some(ends) = ends {
            self.deny_subject(&subject, ends.except).await?;
        }
        let _told = ends.map(|ends| self.ends.follow(MayEnd::Of { subject: &subject, except: ends.except }));
        let ended = self.within(store.change_account(account, expected, ends)).await?;
        if let (Some(count), Some(SubjectRevocation { except, revocation, .. })) = (ended, ends) {
            let (subject, reason) = (subject.clone(), revocation.reason);
            self.emit(Event::AllRevoked { subject, except, count, reason }).await;
        }
        Ok(ended.is_some())
    }

    /// Removes an account, and wakes those who wait for the end of its sessions. Returns whether it existed.
    pub(crate) async fn remove_account(
        &self,
        store: &dyn AccountStore,
        id: AccountId,
        ends: SubjectRevocation,
    ) -> Result<bool, SessionError> {
        let subject = id.to_string();
        self.deny_subject(&subject, None).await?;
        let _told = self.ends.follow(MayEnd::Of { subject: &subject, except: None });
        let ended = self.within(store.remove_account(id, ends)).await?;
        if let Some(count) = ended {
            let (subject, reason) = (subject.clone(), ends.revocation.reason);
            self.emit(Event::AllRevoked { subject, except: None, count, reason }).await;
        }
        Ok(ended.is_some())
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
