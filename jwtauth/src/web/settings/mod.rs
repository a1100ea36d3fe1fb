//! How a [`JwtAuth`] is configured. Every setting is checked once, in [`JwtAuthBuilder::build`].
//!
//! What every program needs is one call on the builder. Other settings are grouped: cookies in
//! [`cookie_config`], keys in [`key_config`], the headers of clients in [`client_config`], tokens in
//! [`token_config`], what is kept beside sessions in [`storage_config`], and API keys in [`api_key_config`].
//! A value is checked in its group, or in the room that uses it.

pub(crate) mod api_key_config;
pub(crate) mod client_config;
pub(crate) mod cookie_config;
mod guard_setters;
mod hook_setters;
pub(crate) mod key_config;
mod session_setters;
pub(crate) mod storage_config;
pub(crate) mod token_config;
pub(crate) mod verifier_builder;

use std::sync::{Arc, Mutex};

use self::client_config::ClientConfig;
use self::cookie_config::CookieConfig;
use self::key_config::{KeyConfig, SecretSource};
use self::storage_config::StorageConfig;
#[cfg(feature = "accounts")]
use crate::accounts::{Accounts, AccountsConfig};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::error::{ConfigError, OpenError, StoreError};
use crate::key::Key;
#[cfg(unix)]
use crate::operator::OperatorSocket;
use crate::operator::OperatorTarget;
use crate::secret;
use crate::session::{Hooks, Sessions, Sweeper};
#[cfg(feature = "postgres")]
use crate::store::PostgresStore;
use crate::store::{MemoryStore, SessionStore, SledStore, StorePlace};
use crate::token::Kinds;
use crate::web::answer::cookie::CookieStyle;
use crate::web::answer::wording::Wording;
use crate::web::client::Clients;
use crate::web::guard::default_guard::DefaultGuard;
use crate::web::guard::require_auth::TreeGuard;
use crate::web::headers::cross_origin::CrossOrigin;
use crate::web::headers::token_header::TokenHeader;
use crate::web::local_only::LocalOnly;
use crate::web::state::{FrontGate, JwtAuth, JwtAuthState};

#[doc = include_str!("../../docs/jwt_auth_builder.md")]
#[derive(Debug)]
#[must_use]
pub struct JwtAuthBuilder {
    secret: SecretSource,
    key: Option<Key>,
    keys: KeyConfig,
    config: Config,
    cookies: CookieConfig,
    insecure_cookies: bool,
    trusted_origins: Vec<String>,
    exempt_paths: Vec<String>,
    default_guard: Option<TreeGuard>,
    public: Vec<String>,
    pub(crate) clients: ClientConfig,
    pub(crate) trusted_proxies: Vec<String>,
    wording: Wording,
    local_only: bool,
    clock: Arc<dyn Clock>,
    hooks: Hooks,
    #[cfg(feature = "accounts")]
    accounts: Option<AccountsConfig>,
}

impl Default for JwtAuthBuilder {
    fn default() -> Self {
        Self {
            secret: SecretSource::default(),
            key: None,
            keys: KeyConfig::default(),
            config: Config::default(),
            cookies: CookieConfig::default(),
            insecure_cookies: false,
            trusted_origins: Vec::new(),
            exempt_paths: Vec::new(),
            default_guard: None,
            public: Vec::new(),
            clients: ClientConfig::default(),
            trusted_proxies: Vec::new(),
            wording: Wording::default(),
            local_only: false,
            clock: Arc::new(SystemClock),
            hooks: Hooks::default(),
            #[cfg(feature = "accounts")]
            accounts: None,
        }
    }
}

/// How many events are kept in development.
const DEV_EVENTS: u64 = 1_000;

impl JwtAuth {
    /// Starts to configure one: see [`JwtAuthBuilder`] for the settings and their defaults.
    pub fn builder() -> JwtAuthBuilder {
        JwtAuthBuilder::default()
    }

    /// One line for localhost: a random secret, sessions in memory, and cookies that work over plain http.
    ///
    /// Everybody is logged out when the process ends. Requests for another host than `localhost`, `127.0.0.1`
    /// or `[::1]` are refused. So are connections from another address than loopback, such as those through
    /// a port that Docker maps. The answer and the log say which of the two it was, and what to write.
    ///
    /// It keeps the last 1,000 events and a record of each token, so that there is something to look at.
    ///
    /// # Errors
    ///
    /// [`ConfigError::DevMode`] if `JWTAUTH_ENV=production` is set, or in a release build unless
    /// `JWTAUTH_ALLOW_DEV=1` is set. [`ConfigError::Random`] if there is no randomness.
    pub fn dev() -> Result<Self, ConfigError> {
        JwtAuthBuilder::dev()
    }
}

impl JwtAuthBuilder {
    /// Opens the embedded store in a directory, and starts the background sweep. Creates the directory if it
    /// does not exist. Takes a path, or a [`SledConfig`](crate::SledConfig) with settings of the store.
    ///
    /// With the feature `postgres` it takes a database too: a URL that begins with `postgres://`, a text of
    /// the form `host=.. user=..`, or a `PostgresConfig`. Another `scheme://` is refused.
    ///
    /// # Errors
    ///
    /// [`OpenError::Config`] for a setting that is refused, before anything is touched on disk.
    /// [`OpenError::Store`] for everything that [`SledStore::open`] or `PostgresStore::connect` refuses.
    pub async fn open(self, store: impl Into<StorePlace>) -> Result<JwtAuth, OpenError> {
        let ready = self.check()?;
        Ok(match store.into() {
            StorePlace::Sled(config) => ready.with_store(Arc::new(SledStore::open(config).await?))?,
            StorePlace::OtherAddress { start, advice } => {
                return Err(StoreError::of_address(start, advice).into());
            }
            #[cfg(feature = "postgres")]
            StorePlace::Postgres(config) => {
                ready.with_store(Arc::new(PostgresStore::connect(config).await?))?
            }
        })
    }

    /// Uses a store that is already open. Starts the background sweep if called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] for the first setting that is refused.
    pub fn build(self, store: impl SessionStore) -> Result<JwtAuth, ConfigError> {
        self.build_on(Arc::new(store))
    }

    /// The same, for a store that is shared, or of which only the trait is known.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] for the first setting that is refused.
    pub fn build_on(self, store: Arc<dyn SessionStore>) -> Result<JwtAuth, ConfigError> {
        self.check()?.with_store(store)
    }

    /// Checks every setting.
    fn check(self) -> Result<Ready, ConfigError> {
        self.config.check()?;
        #[cfg(feature = "accounts")]
        self.accounts.as_ref().map_or(Ok(()), AccountsConfig::check)?;
        let cookies = self.cookies.check(self.insecure_cookies)?;
        let (clients, token_header) = self.clients.check(&self.trusted_proxies)?;
        let mut wording = self.wording;
        wording.simplejwt = self.config.tokens.compat.is_some();
        wording.scheme = token_header.other_scheme().map(Into::into);
        #[cfg(feature = "openapi")]
        crate::web::openapi::name_places(
            &cookies.names.access,
            &token_header,
            self.config.api_keys.is_some(),
        );
        let mut cross_origin = CrossOrigin::default();
        self.trusted_origins.iter().try_for_each(|origin| cross_origin.trust(origin))?;
        self.exempt_paths.iter().try_for_each(|pattern| cross_origin.exempt(pattern))?;
        let default_guard = DefaultGuard::new(self.default_guard, self.public)?;
        let keys = self.keys.check(self.secret, self.key)?;
        #[cfg(feature = "accounts")]
        let counters = keys.counters.clone();
        let tokens = Kinds::new(keys, self.config.tokens.compat.as_ref())?;
        if self.insecure_cookies {
            tracing::warn!(target: "jwtauth", "cookies are sent without Secure and without the __Host- prefix: for development only");
        }
        Ok(Ready {
            config: self.config,
            tokens,
            cookies,
            token_header,
            wording,
            cross_origin,
            default_guard,
            clients,
            local_only: self.local_only,
            clock: self.clock,
            hooks: self.hooks,
            #[cfg(feature = "accounts")]
            accounts: self.accounts,
            #[cfg(feature = "accounts")]
            counters,
        })
    }

    pub(crate) fn dev() -> Result<JwtAuth, ConfigError> {
        let set = |name| std::env::var_os(name);
        if set("JWTAUTH_ENV").is_some_and(|env| env == "production") {
            return Err(ConfigError::DevMode { problem: "JWTAUTH_ENV is production" });
        }
        if !cfg!(debug_assertions) && set("JWTAUTH_ALLOW_DEV").is_none_or(|allow| allow != "1") {
            return Err(ConfigError::DevMode {
                problem: "this is a release build; set JWTAUTH_ALLOW_DEV=1 if you mean it",
            });
        }
        let builder = Self { local_only: true, ..Self::default() };
        #[cfg(feature = "accounts")]
        let builder = builder.accounts(AccountsConfig::default());
        let builder = builder.storage(StorageConfig::default().keep_events(DEV_EVENTS).token_registry());
        builder.secret(secret::random::<48>()?).insecure_cookies().build(MemoryStore::new())
    }
}

/// Settings that were checked, before they get their store.
struct Ready {
    config: Config,
    tokens: Kinds,
    cookies: CookieStyle,
    token_header: TokenHeader,
    wording: Wording,
    cross_origin: CrossOrigin,
    default_guard: Option<DefaultGuard>,
    clients: Clients,
    local_only: bool,
    clock: Arc<dyn Clock>,
    hooks: Hooks,
    #[cfg(feature = "accounts")]
    accounts: Option<AccountsConfig>,
    #[cfg(feature = "accounts")]
    counters: crate::key::KeyedNames,
}

impl Ready {
    fn with_store(self, store: Arc<dyn SessionStore>) -> Result<JwtAuth, ConfigError> {
        let max_token = self.cookies.max_token();
        #[cfg_attr(not(feature = "accounts"), expect(unused_mut, reason = "only accounts add a hook"))]
        let mut hooks = self.hooks;
        #[cfg(feature = "accounts")]
        let of_accounts = Arc::clone(&store);
        #[cfg(feature = "accounts")]
        let role_scopes =
            Arc::new(self.accounts.as_ref().map(|accounts| accounts.role_scopes.clone()).unwrap_or_default());
        #[cfg(feature = "accounts")]
        let config =
            Config { role_scopes: self.accounts.as_ref().map(|_| Arc::clone(&role_scopes)), ..self.config };
        #[cfg(not(feature = "accounts"))]
        let config = self.config;
        #[cfg(unix)]
        let operator_socket = config.storage.operator_socket;
        #[cfg(feature = "accounts")]
        if self.accounts.is_some()
            && let Some(store) = Arc::clone(&store).account_store()
        {
            crate::accounts::ask_before_refresh(&mut hooks, store, role_scopes);
        }
        let sessions = Arc::new(Sessions::new(config, max_token, self.tokens, self.clock, store, hooks)?);
        #[cfg(feature = "accounts")]
        let accounts = match &self.accounts {
            Some(config) => Some(Accounts::new(config, Arc::clone(&sessions), of_accounts, self.counters)?),
            None => None,
        };
        let operator_target = Arc::new(OperatorTarget {
            sessions: Arc::clone(&sessions),
            #[cfg(feature = "accounts")]
            accounts: accounts.clone(),
        });
        Ok(JwtAuth::from_state(JwtAuthState {
            #[cfg(unix)]
            _operator_socket: operator_socket.then(|| listen(&operator_target)).flatten(),
            _sweeper: Sweeper::start(&sessions),
            operator_target,
            sessions,
            #[cfg(feature = "accounts")]
            accounts,
            cookies: self.cookies,
            wording: self.wording,
            token_header: self.token_header,
            cross_origin: self.cross_origin,
            gate: FrontGate::new(self.default_guard, "JwtAuth"),
            clients: self.clients,
            local_only: self.local_only.then(LocalOnly::default),
            dropped_cookies_logged: Default::default(),
            logged_kinds: Mutex::default(),
        }))
    }
}

#[cfg(unix)]
fn listen(operator_target: &Arc<OperatorTarget>) -> Option<OperatorSocket> {
    let path = operator_target.sessions.store().operator_socket()?;
    OperatorSocket::start(&path, operator_target)
}
