//! Whether somebody is who they say: one hash for everybody, and nothing that tells why not.

use std::net::IpAddr;
use std::time::Duration;

use super::hash::Password;
use super::name::Name;
use super::throttle::{Attempt, Who};
use super::{Account, Accounts};
use crate::error::AccountError;
use crate::store::{PasswordHash, StoredAccount};

impl Accounts {
    /// Checks a name and a password, and notes the login. Give the account to [`Auth::login`](crate::Auth::login).
    ///
    /// `peer` is where the attempt comes from: the address of the socket, or what a proxy of your own says; `None`
    /// counts for no address. IPv6 addresses count by their first 64 bits.
    ///
    /// **Failures are slowed down**, by account and by address: after [5 and
    /// 20](super::AccountsConfig::free_failures) each further one doubles a delay that begins with a second and ends with
    /// [15 minutes](super::AccountsConfig::max_delay), so an account can be tried some 100 times a day. A success forgets the
    /// account's failures; otherwise one of an account is forgiven in 15 minutes, one of an address in a minute. Where the
    /// account was logged in from before, its failures from elsewhere do not count, so nobody locks the owner out.
    /// All of this is in memory, bounded, and gone with the process.
    ///
    /// The hash is renewed if [its parameters](super::AccountsConfig::argon2) have changed.
    ///
    /// # Errors
    ///
    /// - [`AccountError::InvalidCredentials`]: the name is unknown, the password wrong or the account disabled. It takes
    ///   one hash whichever it is.
    /// - [`AccountError::RateLimited`]: too many failures; the password was not looked at.
    /// - [`AccountError::Busy`], [`AccountError::Hashing`], [`AccountError::Random`] and [`AccountError::Store`] if it
    ///   could not be told. That counts as no failure.
    pub async fn verify(
        &self,
        name: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Account, AccountError> {
        let parsed = Name::parse(name).ok();
        let key = parsed.as_ref().map_or(name, |name| &name.key);
        let attempt = self.begin(Who::Login(key), peer)?;
        let found = match &parsed {
            Some(name) => self.0.store.account_by_key(name.key.clone()).await,
            None => Ok(None),
        };
        let checked = match found {
            Ok(found) => self.check(found, password).await,
            Err(error) => Err(error.into()),
        };
        let (account, stale) = self.settle(&attempt, checked)?;
        let renewed = match stale {
            // The password is right: if this comes to nothing, the next login tries again.
            Some(typed) => self.0.hasher.hash(typed).await.ok(),
            None => None,
        };
        self.note_login(account, renewed).await
    }

    /// Charges an attempt, or says how long to wait.
    pub(super) fn begin(&self, who: Who<'_>, peer: Option<IpAddr>) -> Result<Attempt, AccountError> {
        self.0.throttle.begin(who, peer, self.0.sessions.now()).map_err(|seconds| {
            tracing::warn!(target: "jwtauth", event = "throttled", seconds);
            AccountError::RateLimited { retry_after: Duration::from_secs(seconds) }
        })
    }

    /// Tells the throttle how an attempt has ended.
    pub(super) fn settle<T>(
        &self,
        attempt: &Attempt,
        outcome: Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        match &outcome {
            Ok(_) => self.0.throttle.succeeded(attempt, self.0.sessions.now()),
            // It stays charged, as does one that nobody waited for.
            Err(AccountError::InvalidCredentials) => {}
            Err(_) => self.0.throttle.undone(attempt),
        }
        outcome
    }

    /// Checks a password, at the price of one hash. Returns the account, and the password if it is to be hashed anew.
    pub(super) async fn check(
        &self,
        found: Option<StoredAccount>,
        typed: &str,
    ) -> Result<(StoredAccount, Option<Password>), AccountError> {
        let refused = |why: &'static str, account: Option<&StoredAccount>| {
            let account = account.map(|account| account.id.log_id());
            tracing::info!(target: "jwtauth", event = "password_refused", account, why);
            Err(AccountError::InvalidCredentials)
        };
        // Too long for anybody, whether the name is known or not.
        let Some(typed) = Password::typed(typed) else { return refused("too long", found.as_ref()) };
        let hash = found.as_ref().map(|account| account.hash.clone());
        let checked = self.0.hasher.check(typed.clone(), hash).await?;
        match found {
            None => refused("unknown name", None),
            Some(account) if !checked.matches => refused("wrong password", Some(&account)),
            Some(account) if !account.active => refused("disabled", Some(&account)),
            Some(account) => Ok((account, checked.stale.then_some(typed))),
        }
    }

    /// Writes when an account was logged in, and its new hash if it got one. Nobody's revision.
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
            if self.0.sessions.change_account(&*self.0.store, account.clone(), account.revision, None).await?
            {
                let rehashed = renewed.is_some();
                tracing::debug!(target: "jwtauth", event = "password_accepted", account = account.id.log_id(), rehashed);
                return Ok(account.into());
            }
            // It was changed meanwhile. What was checked may be worth nothing by now.
            let now = self.0.store.account(account.id).await?;
            account = now
                .filter(|now| now.active && now.hash == checked)
                .ok_or(AccountError::InvalidCredentials)?;
        }
    }
}
