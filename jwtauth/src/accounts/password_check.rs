//! Verifies passwords: one hash for every attempt, and nothing that reveals the reason of a refusal.

use std::net::IpAddr;
use std::sync::Arc;

use super::hasher::Line;
use super::name::Name;
use super::password::Password;
use super::throttle::{Attempt, Who};
use super::{Account, Accounts, throttled};
use crate::error::AccountError;
use crate::store::{PasswordHash, StoredAccount};

impl Accounts {
    /// Checks a name and a password, and notes the login. Pass the account to
    /// [`Auth::login`](crate::Auth::login).
    ///
    /// `peer` is the address that the attempt comes from: that of the socket, or the one that your own proxy
    /// reports. With `None`, failures are not counted by address. IPv6 addresses count by their first 64
    /// bits.
    ///
    /// **Failures are slowed down**: those of an account from one address, those of an account from
    /// everywhere, and those of an address. After [5, 20 and 20](super::AccountsConfig::free_failures)
    /// failures each further one doubles a delay, from one second to [15
    /// minutes](super::AccountsConfig::max_delay). So an account can be tried about 100 times a day. A
    /// success resets the failures of the account. Otherwise one failure of an account is forgiven every 15
    /// minutes, and one of an address every minute.
    ///
    /// **Attackers lock nobody out.** From an address where the account logged in before, failures
    /// from elsewhere do not count. From any other, they count from the twentieth on. An address of a network
    /// of one's own may be that of a proxy, and all clients may have it: there, failures of other accounts
    /// delay nobody.
    ///
    /// Over a store that several processes share, such as `PostgresStore`, they count together, and a restart
    /// forgets nothing. Over any other, all of this is in bounded memory and lost with the process.
    ///
    /// The hash is renewed if [its parameters](super::AccountsConfig::argon2) have changed.
    ///
    /// # Errors
    ///
    /// - [`AccountError::InvalidCredentials`]: the name is unknown, the password wrong or the account
    ///   disabled. Each case takes one hash.
    /// - [`AccountError::RateLimited`]: too many failures. The password was not checked.
    /// - [`AccountError::Busy`], [`AccountError::Hashing`], [`AccountError::Random`] and
    ///   [`AccountError::Store`] if the check failed. That does not count as a failure.
    pub async fn verify(
        &self,
        name: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Account, AccountError> {
        let parsed = Name::parse(name).ok();
        let key = parsed.as_ref().map_or(name, |name| &name.key);
        let attempt = self.begin(Who::Login(key), peer).await?;
        let line = match () {
            () if attempt.is_known() => Line::Known,
            () if attempt.is_in_crowd() => Line::Crowd,
            () => Line::Login,
        };
        let found = match &parsed {
            Some(name) => self.0.store.account_by_key(name.key.clone()).await,
            None => Ok(None),
        };
        let checked = match found {
            Ok(found) => self.check(found, password, line, peer).await,
            Err(error) => Err(error.into()),
        };
        let (account, stale) = self.settle(attempt, checked).await?;
        let renewed = match stale {
            // The password is right. If the new hash fails, the next login tries again.
            Some(typed) => self.hasher().hash(line, typed).await.ok(),
            None => None,
        };
        self.note_login(account, renewed).await
    }

    pub(super) async fn begin(&self, who: Who<'_>, peer: Option<IpAddr>) -> Result<Attempt, AccountError> {
        let begun = self.0.throttle.begin(who, peer, self.0.sessions.now()).await?;
        begun.map_err(|wait| throttled(who.name(), peer, wait))
    }

    /// Reports the outcome of an attempt to the throttle.
    pub(super) async fn settle<T>(
        &self,
        attempt: Attempt,
        outcome: Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        let now = self.0.sessions.now();
        match &outcome {
            Ok(_) => self.0.throttle.succeeded(attempt, now).await?,
            // It stays charged, as does an abandoned attempt.
            Err(AccountError::InvalidCredentials) => {}
            // If the store is down, it stays charged too: what was wrong first is what matters.
            Err(_) => drop(self.0.throttle.undone(attempt, now).await),
        }
        outcome
    }

    /// Checks a password, for one hash. Returns the account, and the password if it must be hashed again.
    pub(super) async fn check(
        &self,
        found: Option<StoredAccount>,
        typed: &str,
        line: Line,
        peer: Option<IpAddr>,
    ) -> Result<(StoredAccount, Option<Password>), AccountError> {
        let refused = |why: &'static str, account: Option<&StoredAccount>| {
            let account = account.map(|account| account.id.log_id());
            let address = peer.map(tracing::field::display);
            tracing::info!(target: "jwtauth", event = "password_refused", account, address, why);
            Err(AccountError::InvalidCredentials)
        };
        // No account has it, known or not.
        let Some(typed) = Password::typed(typed) else {
            return refused("too long, or not in UTF-8", found.as_ref());
        };
        let hash = found.as_ref().map(|account| account.hash.clone());
        let checked = self.hasher().check(line, typed.clone(), hash).await?;
        match found {
            None => refused("unknown name", None),
            Some(account) if !checked.matches => refused("wrong password", Some(&account)),
            Some(account) if !account.active => refused("disabled", Some(&account)),
            Some(account) => Ok((account, checked.stale.then_some(typed))),
        }
    }

    /// Writes the time of the login, and the new hash if there is one. The revision stays.
    async fn note_login(
        &self,
        mut account: StoredAccount,
        renewed: Option<PasswordHash>,
    ) -> Result<Account, AccountError> {
        let checked = account.hash.clone();
        loop {
            account.last_login = account.last_login.max(Some(self.0.sessions.now()));
            if let Some(hash) = &renewed {
                account.hash = hash.clone();
            }
            let (store, expected) = (Arc::clone(&self.0.store), account.revision);
            if self.0.sessions.change_account(store, account.clone(), expected, None, None).await? {
                let rehashed = renewed.is_some();
                tracing::debug!(target: "jwtauth", event = "password_accepted", account = account.id.log_id(), rehashed);
                return Ok(account.into());
            }
            // It was changed meanwhile, so the check may be outdated.
            let now = self.0.store.account(account.id).await?;
            account = now
                .filter(|now| now.active && now.hash == checked)
                .ok_or(AccountError::InvalidCredentials)?;
        }
    }
}
