//! Accounts: who may log in, and with which password. In the same store as the sessions (feature `accounts`).
//!
//! `name` says what a name is, `hash` what becomes of a password, `throttle` who must wait; `password_check` says whether somebody is who they say
//! and `change` changes an account, which ends its sessions. [`Account`] is what an application sees.
//!
//! # Invariants
//!
//! 1. No password and no hash leaves this floor but to the store, and neither is in a message or a log line.
//! 2. A name that does not exist, a wrong password and a disabled account are told apart by nothing: body, status,
//!    hashes computed (S-16).
//! 3. A session is alive only if it was opened on the password, the roles and the state that its account has: a change
//!    of the first and the third ends sessions in the same step, and a login that races with it is taken back (S-11).

mod account;
mod accounts_config;
mod change;
mod hash;
mod name;
mod password_check;
mod throttle;

use std::fmt;
use std::sync::Arc;

pub use self::account::Account;
pub use self::accounts_config::AccountsConfig;
use self::hash::{Hasher, Password};
use self::name::Name;
use self::throttle::Throttle;
use crate::error::{AccountError, ConfigError};
use crate::id::AccountId;
use crate::session::Sessions;
use crate::store::{AccountStore, SessionStore, StoreFuture, StoredAccount};

/// The most accounts that [`Accounts::list`] returns at once.
const MAX_PAGE: usize = 1000;

/// The accounts of an application: registration, logins, passwords, roles.
///
/// Comes from [`JwtAuth::accounts`](crate::JwtAuth::accounts) after
/// [`JwtAuthBuilder::accounts`](crate::JwtAuthBuilder::accounts); in a handler it is the argument `accounts: &Accounts`.
/// Cheap to clone; a clone keeps the store open.
///
/// ```no_run
/// use jwtauth::{Account, Accounts, AccountsConfig, Auth, JwtAuth, require_auth};
/// use poem::web::Json;
/// use poem::{EndpointExt, Result, Route, get, handler, post};
///
/// #[derive(serde::Deserialize)]
/// struct Form { name: String, password: String }
///
/// #[handler]
/// async fn register(auth: Auth, accounts: &Accounts, Json(form): Json<Form>) -> Result<Json<Account>> {
///     let account = accounts.register(&form.name, &form.password).await?;
///     auth.login(&account).await?;
///     Ok(Json(account))
/// }
///
/// #[handler]
/// async fn login(auth: Auth, accounts: &Accounts, Json(form): Json<Form>) -> Result<Json<Account>> {
///     let account = accounts.verify(&form.name, &form.password, auth.client_address()).await?;
///     auth.login(&account).await?;
///     Ok(Json(account))
/// }
///
/// #[require_auth]
/// async fn me(user: Account) -> Json<Account> {
///     Json(user) // without the hash
/// }
///
/// # async fn run() -> Result<(), jwtauth::error::OpenError> {
/// let jwtauth = JwtAuth::builder()
///     .secret_from_env("JWTAUTH_SECRET")
///     .accounts(AccountsConfig::default())
///     .open("data/sessions")
///     .await?;
/// let app = Route::new()
///     .at("/register", post(register))
///     .at("/login", post(login))
///     .at("/me", get(me))
///     .with(jwtauth);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Accounts(Arc<AccountsParts>);

struct AccountsParts {
    sessions: Arc<Sessions>,
    store: Arc<dyn AccountStore>,
    hasher: Hasher,
    throttle: Throttle,
    min_password: usize,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("store", &self.0.store).finish_non_exhaustive()
    }
}

impl Accounts {
    /// `config` was checked.
    pub(crate) fn new(
        config: &AccountsConfig,
        sessions: Arc<Sessions>,
        store: Arc<dyn SessionStore>,
    ) -> Result<Self, ConfigError> {
        let store = store.account_store().ok_or(ConfigError::NoAccountStore)?;
        let (hasher, throttle) = (Hasher::new(config)?, Throttle::new(config));
        Ok(Self(Arc::new(AccountsParts {
            sessions,
            store,
            hasher,
            throttle,
            min_password: config.min_password,
        })))
    }

    /// Adds an account, active and without roles. On disk when this returns.
    ///
    /// A name has 1 to 255 bytes of letters, digits, marks and ASCII punctuation, so an e-mail address is one. It is
    /// unique whatever its case and however it was typed; white space around it does not count. A password has at least
    /// [`min_password`](AccountsConfig::min_password) characters and at most 1024 bytes, and is not the name.
    ///
    /// Everybody can learn here that a name is taken. Limit who may come here, and how often.
    ///
    /// # Errors
    ///
    /// - [`AccountError::Name`] and [`AccountError::Password`] for what cannot be one, [`AccountError::NameTaken`].
    /// - [`AccountError::Busy`], [`AccountError::Hashing`] and [`AccountError::Random`] if the password was not hashed.
    /// - [`AccountError::Store`] if the store failed; the account may be there.
    pub async fn register(&self, name: &str, password: &str) -> Result<Account, AccountError> {
        let name = Name::parse(name).map_err(|problem| AccountError::Name { problem })?;
        let password = self.chosen(password, &name.key)?;
        // Cheaper than a hash. What decides is the store, below.
        if self.0.store.account_by_key(name.key.clone()).await?.is_some() {
            return Err(AccountError::NameTaken);
        }
        let now = self.0.sessions.now();
        let hash = self.0.hasher.hash(password).await?;
        let account = StoredAccount::new(AccountId::random()?, name.shown, name.key, hash, now);
        if !self.within(self.0.store.create_account(account.clone())).await? {
            return Err(AccountError::NameTaken);
        }
        tracing::info!(target: "jwtauth", event = "account_registered", account = account.id.log_id());
        Ok(account.into())
    }

    /// Returns the account with this id, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccountError::Store`] if the store failed.
    pub async fn by_id(&self, id: AccountId) -> Result<Option<Account>, AccountError> {
        Ok(self.0.store.account(id).await?.map(Account::from))
    }

    /// Returns the account with this name, in whatever case, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccountError::Store`] if the store failed.
    pub async fn by_name(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let Ok(name) = Name::parse(name) else { return Ok(None) };
        Ok(self.0.store.account_by_key(name.key).await?.map(Account::from))
    }

    /// Returns up to `limit` accounts in the order of their names, beginning behind the name `after`.
    ///
    /// For the next page give the name of the last account of this one. A page has 1000 accounts at most, whatever
    /// `limit` says. The order is that of Unicode numbers, without case: `z` comes before `é`.
    ///
    /// # Errors
    ///
    /// [`AccountError::Name`] if `after` cannot be a name, [`AccountError::Store`] if the store failed.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Account>, AccountError> {
        let after = after.map(Name::parse).transpose().map_err(|problem| AccountError::Name { problem })?;
        let page = self.0.store.accounts(after.map(|name| name.key), limit.min(MAX_PAGE)).await?;
        Ok(page.into_iter().map(Account::from).collect())
    }

    /// Returns how many password hashes were computed since the start; for a metric. Each takes one core for a while.
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.0.hasher.computed()
    }

    fn chosen(&self, password: &str, name: &str) -> Result<Password, AccountError> {
        Password::chosen(password, name, self.0.min_password)
            .map_err(|problem| AccountError::Password { problem })
    }

    async fn within<T>(&self, change: StoreFuture<'_, T>) -> Result<T, AccountError> {
        Ok(self.0.sessions.within(change).await?)
    }
}
