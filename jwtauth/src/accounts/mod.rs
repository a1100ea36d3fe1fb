//! Accounts: who may log in, and with which password. In the same store as the sessions (feature `accounts`).
//!
//! `name` and `password` check what people choose, `hash` makes hashes, and `hasher` says when and in which
//! memory, of which `memory_limit` knows how much there is. `throttle` delays attempts after failures and
//! counts registrations, in `settled_counters`. `password_check` verifies a password, `change` changes
//! accounts, which ends their sessions, and `first_admin` makes the one that makes the others. [`Account`] is
//! what an application sees, and [`Passwords`] is for one with other users.
//!
//! # Invariants
//!
//! 1. Passwords and hashes leave this module only for the store, and appear in no message and no log line.
//! 2. An unknown name, a wrong password and a disabled account cannot be told apart: same body, same status,
//!    same number of hashes computed (S-16).
//! 3. A live session was opened with the current password, roles and state of its account. A change of
//!    password or state ends sessions in the same step. A login that races with such a change is undone
//!    (S-11).

mod account;
mod accounts_config;
mod change;
mod first_admin;
mod hash;
mod hasher;
mod import;
mod memory_limit;
mod name;
mod password;
mod password_check;
mod passwords;
mod settled_counters;
mod throttle;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use self::account::Account;
pub(crate) use self::account::ask_before_refresh;
pub use self::accounts_config::AccountsConfig;
use self::hasher::{Hasher, Line};
pub use self::import::ImportedAccount;
use self::name::Name;
use self::password::Password;
pub use self::passwords::Passwords;
use self::settled_counters::SettledCounters;
use self::throttle::{Registered, Throttle, Wait};
use crate::config::RoleScopes;
use crate::error::{AccountError, ConfigError};
use crate::events::Event;
use crate::id::AccountId;
use crate::key::KeyedNames;
use crate::session::Sessions;
use crate::store::{AccountStore, ProcessCounters, SessionStore, StoredAccount};

/// The most accounts that [`Accounts::list`] returns at once.
const MAX_PAGE: usize = 1000;

#[doc = include_str!("../docs/accounts.md")]
#[derive(Clone)]
pub struct Accounts(Arc<AccountsParts>);

struct AccountsParts {
    sessions: Arc<Sessions>,
    store: Arc<dyn AccountStore>,
    passwords: Passwords,
    throttle: Throttle,
    min_password: usize,
    role_scopes: RoleScopes,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("store", &self.0.store).finish_non_exhaustive()
    }
}

impl Accounts {
    pub(crate) fn new(
        config: &AccountsConfig,
        sessions: Arc<Sessions>,
        store: Arc<dyn SessionStore>,
        names: KeyedNames,
    ) -> Result<Self, ConfigError> {
        let counters = Arc::clone(&store).counter_store();
        let counters = counters.unwrap_or_else(|| Arc::new(ProcessCounters::default()));
        let counters = Arc::new(SettledCounters { counters, sessions: Arc::clone(&sessions) });
        let store = store.account_store().ok_or(ConfigError::NotKept {
            what: "accounts",
            needed_by: "JwtAuthBuilder::accounts",
            method: "account_store",
        })?;
        let (passwords, throttle) = (Passwords::new(config)?, Throttle::new(config, names, counters));
        Ok(Self(Arc::new(AccountsParts {
            sessions,
            store,
            passwords,
            throttle,
            min_password: config.min_password,
            role_scopes: config.role_scopes.clone(),
        })))
    }

    /// Adds an account, active and without roles. On disk when this returns.
    ///
    /// A name has 1 to 255 bytes of letters, digits, marks and ASCII punctuation, so an e-mail address is a
    /// name. Names that differ only in case or in the way they were typed are the same. White space around a
    /// name is ignored. A password has at least [`min_password`](AccountsConfig::min_password) characters and
    /// at most 1024 bytes, and must differ from the name. One with U+FFFD is refused: poem's `Form` puts that
    /// character in the place of bytes that are no UTF-8, so two passwords would be one.
    ///
    /// Anyone who can call this can learn which names are taken, and fill the store. So this is for
    /// operators: anonymous users get [`register_from`](Self::register_from), which limits how often.
    ///
    /// # Errors
    ///
    /// - [`AccountError::Name`] or [`AccountError::Password`] if one is not allowed,
    ///   [`AccountError::NameTaken`].
    /// - [`AccountError::Busy`], [`AccountError::Hashing`] and [`AccountError::Random`] if the password was
    ///   not hashed.
    /// - [`AccountError::Store`] if the store failed; the account may exist.
    pub async fn register(&self, name: &str, password: &str) -> Result<Account, AccountError> {
        let (name, password) = self.wanted(name, password)?;
        self.make(name, password, Line::Operator).await
    }

    /// Adds an account like [`register`](Self::register), for anybody who asks. How often is limited by
    /// address.
    ///
    /// `peer` is the address that the request comes from:
    /// [`Auth::client_address`](crate::Auth::client_address). IPv6 addresses count by their first 64 bits,
    /// and those with the same 48 bits together as ten. Each name that is asked for is charged to it, a name
    /// that is taken too: nobody can ask for many. From one address come
    /// [30 at once, and then one a minute](AccountsConfig::registrations). A loopback or private address may
    /// be a proxy, so it has ten times that rate. Requests without an address, such as those by a Unix
    /// socket, count as one such address.
    ///
    /// # Errors
    ///
    /// Those of [`register`](Self::register), and [`AccountError::RateLimited`] if too many came from the
    /// address. Then nothing was looked up.
    pub async fn register_from(
        &self,
        name: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Account, AccountError> {
        let (name, password) = self.wanted(name, password)?;
        let charged = self.charge_registration(peer).await?;
        let added = self.make(name, password, Line::Registration).await;
        // A failure of the store is not the fault of the address. `Busy` is charged: it tells that the name
        // is free.
        if let Err(error) = &added
            && !matches!(error, AccountError::NameTaken | AccountError::Busy)
        {
            self.0.throttle.undo_registration(charged, self.0.sessions.now()).await?;
        }
        added
    }

    fn wanted(&self, name: &str, password: &str) -> Result<(Name, Password), AccountError> {
        let name = Name::chosen(name)?;
        let password = self.chosen(password, &name.key)?;
        Ok((name, password))
    }

    async fn charge_registration(&self, peer: Option<IpAddr>) -> Result<Registered, AccountError> {
        let charged = self.0.throttle.register(peer, self.0.sessions.now()).await?;
        charged.map_err(|wait| throttled("registration", peer, wait))
    }

    async fn make(&self, name: Name, password: Password, line: Line) -> Result<Account, AccountError> {
        // Saves a hash in most cases. The store decides, below.
        if self.0.store.account_by_key(name.key.clone()).await?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let account = self.draft(name, password, Vec::new(), line).await?;
        self.add(account).await?.ok_or(AccountError::NameTaken)
    }

    /// Makes an account with a new password, which is in no store yet.
    async fn draft(
        &self,
        name: Name,
        password: Password,
        roles: Vec<String>,
        line: Line,
    ) -> Result<StoredAccount, AccountError> {
        let now = self.0.sessions.now();
        let hash = self.hasher().hash(line, password).await?;
        let account = StoredAccount::new(AccountId::random()?, name.shown, name.key, hash, now);
        Ok(StoredAccount { roles, ..account })
    }

    /// Returns the account with this id, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccountError::Store`] if the store failed.
    pub async fn by_id(&self, id: AccountId) -> Result<Option<Account>, AccountError> {
        Ok(self.0.store.account(id).await?.map(|found| self.account_of(found)))
    }

    /// Returns the account with this name, in any case, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccountError::Store`] if the store failed.
    pub async fn by_name(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let Ok(name) = Name::parse(name) else { return Ok(None) };
        Ok(self.0.store.account_by_key(name.key).await?.map(|found| self.account_of(found)))
    }

    /// Returns up to `limit` accounts, at most 1000, in the order of their names, starting after the name
    /// `after`.
    ///
    /// For the next page, pass the name of the last account of this page. Names are ordered by Unicode
    /// numbers, without case: `z` comes before `é`.
    ///
    /// # Errors
    ///
    /// [`AccountError::Name`] if `after` cannot be a name, [`AccountError::Store`] if the store failed.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Account>, AccountError> {
        let after = after.map(Name::parse).transpose()?;
        let page = self.0.store.accounts(after.map(|name| name.key), limit.min(MAX_PAGE)).await?;
        Ok(page.into_iter().map(|found| self.account_of(found)).collect())
    }

    /// Returns accounts like [`list`](Self::list), of those only whose names begin with `prefix`, without
    /// case. An empty prefix is that of all names.
    ///
    /// It reads as many accounts as it returns, however many there are. A prefix that no name can have finds
    /// nobody.
    #[cfg(feature = "pages")]
    pub(crate) async fn list_by_prefix(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Account>, AccountError> {
        if prefix.trim().is_empty() {
            return self.list(after, limit).await;
        }
        let after = after.map(Name::parse).transpose()?;
        let Ok(Name { key: prefix, .. }) = Name::parse(prefix) else { return Ok(Vec::new()) };
        let (limit, after) = (limit.min(MAX_PAGE), after.map(|name| name.key).unwrap_or_default());
        let mut found = Vec::new();
        if after < prefix && limit > 0 {
            found.extend(self.0.store.account_by_key(prefix.clone()).await?);
        }
        // Behind the prefix come the names that begin with it, up to the first that does not.
        let page = self.0.store.accounts(Some(after.max(prefix.clone())), limit - found.len()).await?;
        found.extend(page.into_iter().take_while(|account| account.key.starts_with(&prefix)));
        Ok(found.into_iter().map(|found| self.account_of(found)).collect())
    }

    /// Returns the up to `limit` accounts whose names begin with `prefix` and come right before the name
    /// `before`. `None` if the store does not read backwards.
    #[cfg(feature = "pages")]
    pub(crate) async fn list_before(
        &self,
        prefix: &str,
        before: &str,
        limit: usize,
    ) -> Result<Option<Vec<Account>>, AccountError> {
        let before = Name::parse(before)?.key;
        let prefix = if prefix.is_empty() { String::new() } else { Name::parse(prefix)?.key };
        let page = self.0.store.accounts_before(before, limit.min(MAX_PAGE)).await?;
        let found = |page: Vec<StoredAccount>| {
            let wanted = page.into_iter().filter(|account| account.key.starts_with(&prefix));
            wanted.map(|found| self.account_of(found)).collect()
        };
        Ok(page.map(found))
    }

    /// Returns how many password hashes were computed since the start. Feature `testing`.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.hasher().computed()
    }

    /// Returns the hashers of the accounts, for passwords that the application keeps itself.
    #[must_use]
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Returns an account as applications see it.
    fn account_of(&self, stored: StoredAccount) -> Account {
        Account::of(stored, &self.0.role_scopes)
    }

    fn hasher(&self) -> &Hasher {
        self.0.passwords.hasher()
    }

    /// Writes a new account. Returns `None` if its name is taken.
    async fn add(&self, account: StoredAccount) -> Result<Option<Account>, AccountError> {
        let (store, new) = (Arc::clone(&self.0.store), account.clone());
        let create = async move { store.create_account(new).await };
        let account = self.account_of(account);
        let registered = Event::AccountRegistered { account: account.id, name: account.name.clone() };
        let added = self.0.sessions.report_after(create, |added| added.then_some(registered)).await?;
        Ok(added.then_some(account))
    }

    fn chosen(&self, password: &str, name: &str) -> Result<Password, AccountError> {
        Password::chosen(password, name, self.0.min_password)
            .map_err(|problem| AccountError::Password { problem })
    }
}

/// Logs the first refusal of a delay.
fn throttled(what: &str, peer: Option<IpAddr>, Wait { seconds, is_news }: Wait) -> AccountError {
    if is_news {
        let address = peer.map(tracing::field::display);
        tracing::warn!(target: "jwtauth", event = "throttled", what, address, seconds);
    }
    AccountError::RateLimited { retry_after: Duration::from_secs(seconds) }
}
