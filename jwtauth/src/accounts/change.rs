//! Changes of an account, each based on the revision that was read, and the sessions that they revoke.

use std::sync::Arc;

use super::hasher::Line;
use super::throttle::Who;
use super::{Account, Accounts};
use crate::error::AccountError;
use crate::events::Event;
use crate::id::{AccountId, SessionId};
use crate::plain_text::has_visible;
use crate::record::{Revocation, RevocationReason};
use crate::right_name::{NO_ROLE, is_role};
use crate::store::{StoredAccount, SubjectRevocation};

/// Roles go into each token of the account, and a token must fit into a cookie.
const MAX_ROLES: usize = 64;
const MAX_ROLE: usize = 64;

impl Accounts {
    /// Replaces the old password, and revokes the sessions of the account except `keep`, in one step.
    ///
    /// Pass the id of the calling session as `keep`: [`Identity::session_id`](crate::Identity::session_id).
    /// When this returns, the new password is on disk and the other sessions are refused. API keys stay if a
    /// session does, and end with `None`.
    ///
    /// A wrong old password counts as a failed attempt. These attempts are counted apart from those of
    /// logins.
    ///
    /// # Errors
    ///
    /// - [`AccountError::InvalidCredentials`]: the old password is wrong, or the account is disabled or
    ///   missing.
    /// - [`AccountError::RateLimited`]: too many failures. The old password was not checked.
    /// - [`AccountError::Password`]: the new password is not allowed. The old one was right.
    /// - [`AccountError::Busy`], [`AccountError::Hashing`], [`AccountError::Random`] if a password was not
    ///   hashed.
    /// - [`AccountError::Store`] if the store failed. Either the old password is valid and no session is
    ///   revoked, or the new password is valid and all the sessions are revoked.
    pub async fn change_password(
        &self,
        id: AccountId,
        old: &str,
        new: &str,
        keep: Option<SessionId>,
    ) -> Result<Account, AccountError> {
        loop {
            let before = self.check_for_change(id, old).await?;
            let after = self.with_password(&before, new, Line::Change).await?;
            let revocation = self.revocation(RevocationReason::Requested, keep);
            // If another change came first, the checked password may be outdated.
            if let Some(after) = self
                .replace(&before, after, Some(revocation), Some(Event::PasswordChanged { account: id }))
                .await?
            {
                return self.renew_copies(after.id).await;
            }
        }
    }

    /// Checks whether this is the password of an account, as [`change_password`](Self::change_password) does
    /// with the old one: a wrong one counts there.
    ///
    /// # Errors
    ///
    /// Those of [`change_password`](Self::change_password).
    #[cfg(feature = "pages")]
    pub(crate) async fn has_password(&self, id: AccountId, typed: &str) -> Result<(), AccountError> {
        self.check_for_change(id, typed).await.map(drop)
    }

    async fn check_for_change(&self, id: AccountId, typed: &str) -> Result<StoredAccount, AccountError> {
        let attempt = self.begin(Who::Change(id.as_bytes()), None).await?;
        let checked = match self.0.store.account(id).await {
            Ok(found) => self.check(found, typed, Line::Change, None).await,
            Err(error) => Err(error.into()),
        };
        Ok(self.settle(attempt, checked).await?.0)
    }

    /// Sets a new password without asking for the old one, and revokes all sessions of the account, in one
    /// step.
    ///
    /// For operators, and for users who have proved by other means that the account is theirs. It does not
    /// enable a disabled account.
    ///
    /// # Errors
    ///
    /// - [`AccountError::NotFound`], [`AccountError::Password`].
    /// - [`AccountError::Busy`], [`AccountError::Hashing`], [`AccountError::Random`] if the password was not
    ///   hashed.
    /// - [`AccountError::Store`] if the store failed: either both have happened or neither.
    pub async fn set_password(&self, id: AccountId, new: &str) -> Result<Account, AccountError> {
        loop {
            let before = self.stored(id).await?;
            let after = self.with_password(&before, new, Line::Operator).await?;
            let revocation = self.revocation(RevocationReason::Requested, None);
            if let Some(after) = self
                .replace(&before, after, Some(revocation), Some(Event::PasswordSet { account: id }))
                .await?
            {
                return Ok(self.account_of(after));
            }
        }
    }

    /// Disables an account and revokes all its sessions, in one step. It cannot log in. An account that is
    /// disabled already stays so, without an [`Event::AccountDisabled`].
    ///
    /// # Errors
    ///
    /// [`AccountError::NotFound`], or [`AccountError::Store`] if the store failed: either both have happened
    /// or neither.
    pub async fn disable(&self, id: AccountId) -> Result<Account, AccountError> {
        let disabled = |account: &mut StoredAccount| account.active = false;
        let revocation = self.revocation(RevocationReason::Inactive, None);
        let after =
            self.change(id, disabled, Some(revocation), Event::AccountDisabled { account: id }).await?;
        Ok(self.account_of(after))
    }

    /// Enables a disabled account again, with the password and the roles that it had. Nothing happens if it
    /// is enabled.
    ///
    /// # Errors
    ///
    /// [`AccountError::NotFound`], or [`AccountError::Store`] if the store failed.
    pub async fn enable(&self, id: AccountId) -> Result<Account, AccountError> {
        let enabled = |account: &mut StoredAccount| account.active = true;
        let after = self.change(id, enabled, None, Event::AccountEnabled { account: id }).await?;
        Ok(self.account_of(after))
    }

    /// Removes an account for good, and revokes all its sessions, in one step.
    ///
    /// Its name becomes free. Its id is never used again. The records of its sessions keep a copy of the
    /// account until they are swept, within [`refresh_ttl`](crate::JwtAuthBuilder::refresh_ttl), and those of
    /// its API keys within a day. If users remove their own account, ask for the password again first:
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// [`AccountError::NotFound`], or [`AccountError::Store`] if the store failed: either both have happened
    /// or neither.
    pub async fn remove(&self, id: AccountId) -> Result<(), AccountError> {
        let revocation = self.revocation(RevocationReason::Inactive, None);
        let removed = self.0.sessions.remove_account(Arc::clone(&self.0.store), id, revocation).await?;
        if removed { Ok(()) } else { Err(AccountError::NotFound) }
    }

    /// Sets the roles of an account, also in its live sessions. They count from the next request on.
    ///
    /// Up to 64 roles of 1 to 64 bytes. Each is one name: a character that can be seen, no control
    /// characters, no white space around it, and none of `,` `;` `|` `&&`, except in a name with `=`.
    /// Duplicates count once.
    ///
    /// # Errors
    ///
    /// - [`AccountError::NotFound`], [`AccountError::Role`].
    /// - [`AccountError::Session`] if a token with these roles does not fit into a cookie. Nothing has
    ///   changed.
    /// - [`AccountError::Store`] if the store failed. Call it again: live sessions may have the old roles.
    pub async fn set_roles<R: Into<String>>(
        &self,
        id: AccountId,
        roles: impl IntoIterator<Item = R>,
    ) -> Result<Account, AccountError> {
        let roles = checked_roles(roles)?;
        self.edit_roles(id, |_| Ok(Some(roles.clone()))).await
    }

    /// Adds a role to those that an account has, like [`set_roles`](Self::set_roles). Changes that others
    /// make at the same time are not lost. Nothing happens if it has the role.
    ///
    /// # Errors
    ///
    /// Those of [`set_roles`](Self::set_roles).
    pub async fn add_role(&self, id: AccountId, role: &str) -> Result<Account, AccountError> {
        let with = |roles: &[String]| checked_roles(roles.iter().map(String::as_str).chain([role]));
        self.edit_roles(id, |roles| Ok(Some(with(roles)?).filter(|with| with.len() > roles.len()))).await
    }

    /// Takes a role away from those that an account has, like [`set_roles`](Self::set_roles). Changes that
    /// others make at the same time are not lost. Nothing happens if it does not have the role.
    ///
    /// # Errors
    ///
    /// Those of [`set_roles`](Self::set_roles).
    pub async fn remove_role(&self, id: AccountId, role: &str) -> Result<Account, AccountError> {
        let without = |roles: &[String]| roles.iter().filter(|has| *has != role).cloned().collect::<Vec<_>>();
        self.edit_roles(id, |roles| Ok(Some(without(roles)).filter(|left| left.len() < roles.len()))).await
    }

    /// Writes other roles, which `edit` makes of those that the account has; `None` if they stay.
    async fn edit_roles(
        &self,
        id: AccountId,
        edit: impl Fn(&[String]) -> Result<Option<Vec<String>>, AccountError>,
    ) -> Result<Account, AccountError> {
        loop {
            let before = self.stored(id).await?;
            let Some(roles) = edit(&before.roles)? else {
                // Live sessions may have others still, if that has failed before.
                return self.renew_copies(id).await;
            };
            let after = StoredAccount { roles, ..before.clone() };
            self.0.sessions.draft_and_issue(&self.account_of(after.clone())).await?;
            let event = Event::RolesSet { account: id, roles: after.roles.clone() };
            // Another change may have come first.
            if let Some(after) = self.replace(&before, after, None, Some(event)).await? {
                return self.renew_copies(after.id).await;
            }
        }
    }

    async fn stored(&self, id: AccountId) -> Result<StoredAccount, AccountError> {
        self.0.store.account(id).await?.ok_or(AccountError::NotFound)
    }

    async fn with_password(
        &self,
        before: &StoredAccount,
        new: &str,
        line: Line,
    ) -> Result<StoredAccount, AccountError> {
        let password = self.chosen(new, &before.key)?;
        let hash = self.hasher().hash(line, password).await?;
        Ok(StoredAccount { hash, password_changed_at: self.0.sessions.now(), ..before.clone() })
    }

    fn revocation(&self, reason: RevocationReason, except: Option<SessionId>) -> SubjectRevocation {
        let revocation = Revocation { at: self.0.sessions.now(), reason };
        SubjectRevocation { except, ..SubjectRevocation::all(revocation) }
    }

    /// Edits an account, and tries again each time that another change was first. What was so already is no
    /// event.
    async fn change(
        &self,
        id: AccountId,
        edit: impl Fn(&mut StoredAccount),
        revocation: Option<SubjectRevocation>,
        event: Event,
    ) -> Result<StoredAccount, AccountError> {
        loop {
            let before = self.stored(id).await?;
            let mut after = before.clone();
            edit(&mut after);
            let is_changed = after != before;
            if !is_changed && revocation.is_none() {
                return Ok(before);
            }
            let event = is_changed.then(|| event.clone());
            if let Some(after) = self.replace(&before, after, revocation, event).await? {
                return Ok(after);
            }
        }
    }

    /// Writes `after` as the next revision, tells of it and returns it, if `before` is still the current one.
    async fn replace(
        &self,
        before: &StoredAccount,
        after: StoredAccount,
        revocation: Option<SubjectRevocation>,
        event: Option<Event>,
    ) -> Result<Option<StoredAccount>, AccountError> {
        let after = StoredAccount { revision: before.revision.saturating_add(1), ..after };
        let (store, expected) = (Arc::clone(&self.0.store), before.revision);
        let replaced =
            self.0.sessions.change_account(store, after.clone(), expected, revocation, event).await?;
        Ok(replaced.then_some(after))
    }

    /// Renews the copies in live sessions, and returns the account as they have it.
    ///
    /// Of two concurrent changes, the earlier copy might overwrite the later one, so this checks again after
    /// writing.
    async fn renew_copies(&self, id: AccountId) -> Result<Account, AccountError> {
        loop {
            let account = self.account_of(self.stored(id).await?);
            self.0.sessions.update_user(&account).await?;
            if self.stored(id).await?.revision == account.revision {
                return Ok(account);
            }
        }
    }
}

/// Returns the roles of an account, each once.
pub(super) fn checked_roles<R: Into<String>>(
    roles: impl IntoIterator<Item = R>,
) -> Result<Vec<String>, AccountError> {
    let mut checked: Vec<String> = Vec::new();
    for role in roles.into_iter().map(Into::into) {
        check_role(&role).map_err(|problem| AccountError::Role { problem })?;
        if !checked.contains(&role) {
            checked.push(role);
        }
    }
    if checked.len() > MAX_ROLES {
        return Err(AccountError::Role { problem: format!("an account has at most {MAX_ROLES}") });
    }
    Ok(checked)
}

fn check_role(role: &str) -> Result<(), String> {
    if !(1..=MAX_ROLE).contains(&role.len()) {
        return Err(format!("it has {} bytes, and 1 to {MAX_ROLE} are allowed", role.len()));
    }
    if !has_visible(role) {
        return Err("it has no character that can be seen".into());
    }
    if is_role(role) { Ok(()) } else { Err(format!("{role:?} is refused: {NO_ROLE}")) }
}
