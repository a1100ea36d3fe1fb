//! Which database, and how it is used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{Config, SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

use super::password_file;
use crate::error::PostgresError;

const POOL_SIZE: usize = 16;
const SCHEMA: &str = "jwtauth";
/// The name of connections of one who operates a store.
pub(in crate::store) const OPERATOR: &str = "jwtauth program";
/// How long a name may be, in bytes.
const MAX_NAME: usize = 63;
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time for which a session that was read may be used again.
const MAX_STALENESS: Duration = Duration::from_secs(60);

/// When a commit counts as done: PostgreSQL's `synchronous_commit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SynchronousCommit {
    /// Before it is on any disk. A crash of the server loses logins that were answered, and, worse, logouts.
    Off,
    /// On the disk of the primary.
    Local,
    /// On the disk of the primary, and in the memory of the synchronous standby, if there is one.
    RemoteWrite,
    /// On the disks of the primary and of the synchronous standby, if there is one.
    On,
    /// The same, and visible to those who read from the standby.
    RemoteApply,
}

impl SynchronousCommit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::On => "on",
            Self::RemoteApply => "remote_apply",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [Self::Off, Self::Local, Self::RemoteWrite, Self::On, Self::RemoteApply];
        all.into_iter().find(|it| it.name() == name)
    }
}

/// The isolation level of transactions. The store is right under both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// The default. Changes that meet wait for each other.
    #[default]
    ReadCommitted,
    /// For engines that have nothing else. Changes that meet are tried again.
    Serializable,
}

/// Which database a [`PostgresStore`](crate::PostgresStore) uses, and how.
///
/// A URL alone will do wherever one of these is asked for.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use jwtauth::{JwtAuth, PostgresConfig, PostgresStore};
///
/// let config = PostgresConfig::new("postgres://app:password@db.example.com/app")
///     .pool_size(32)
///     .timeout(Duration::from_secs(3));
/// let store = PostgresStore::connect(config).await?;
/// let jwtauth = JwtAuth::builder().secret_from_env("JWTAUTH_SECRET").build(store)?;
/// # Ok(())
/// # }
/// ```
///
/// | setting | default | range |
/// |---|---|---|
/// | [`pool_size`](Self::pool_size) | 16 | 1 to 1,000 |
/// | [`timeout`](Self::timeout) | 5 seconds | 100 milliseconds to 1 minute |
/// | [`schema`](Self::schema) | `jwtauth` | 1 to 63 bytes, none of them zero |
/// | [`root_certificates`](Self::root_certificates) | those of the system | a file in PEM |
/// | [`max_staleness`](Self::max_staleness) | none | up to 1 minute |
/// | [`isolation`](Self::isolation) | read committed | |
/// | [`synchronous_commit`](Self::synchronous_commit) | as the server has it, but not `off` | |
/// | [`allow_fsync_off`](Self::allow_fsync_off) | refused | |
/// | [`prepared_statements`](Self::prepared_statements) | yes | |
/// | [`makes_tables`](Self::makes_tables) | yes | |
/// | [`password`](Self::password) | that of the URL, or of `PGPASSFILE` | |
/// | [`application_name`](Self::application_name) | that of the URL, or `jwtauth` | |
///
/// # TLS
///
/// Connections to a Unix socket, `localhost` or a loopback address are plain unless the URL says
/// `sslmode=require`. All others are encrypted, and the certificate of the server must be good for the host's
/// name. `sslmode=verify-full` says the same. `sslmode=disable` asks for plain text by name: for a network
/// where nobody listens. `sslmode=prefer`, which anybody on the way can talk out of TLS, counts as `require`.
#[derive(Clone)]
#[must_use]
pub struct PostgresConfig {
    pub(super) url: String,
    pub(super) pool_size: usize,
    pub(super) timeout: Duration,
    pub(super) schema: String,
    pub(super) root_certificates: Option<PathBuf>,
    pub(super) max_staleness: Duration,
    pub(super) isolation: Isolation,
    pub(super) synchronous_commit: Option<SynchronousCommit>,
    pub(super) allow_fsync_off: bool,
    pub(super) prepared_statements: bool,
    pub(super) makes_tables: bool,
    /// Takes a server that loses what it has acknowledged, and commits so that nothing of one's own is lost.
    pub(super) is_lenient: bool,
    pub(super) password: Option<Zeroizing<String>>,
    application_name: Option<String>,
}

impl PostgresConfig {
    /// Names the database: `postgres://user:password@host:port/database`, or the form `host=.. user=..`. More
    /// than one host, with commas between them: the one that takes changes is used, so a standby that was
    /// promoted is found.
    ///
    /// In a URL, what is no letter or digit in user and password is percent-encoded, such as `%40` for `@`,
    /// `%2F` for `/` and `%25` for `%`. Or the password is given [by itself](Self::password).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: POOL_SIZE,
            timeout: TIMEOUT,
            schema: SCHEMA.into(),
            root_certificates: None,
            max_staleness: Duration::ZERO,
            isolation: Isolation::default(),
            synchronous_commit: None,
            allow_fsync_off: false,
            prepared_statements: true,
            makes_tables: true,
            is_lenient: false,
            password: None,
            application_name: None,
        }
    }

    /// Sets how many connections there may be at a time: 16 by default. They are opened when they are needed.
    /// A quarter of them, and one at least, is for attempts to log in or to register.
    pub fn pool_size(mut self, size: usize) -> Self {
        self.pool_size = size;
        self
    }

    /// Sets how long to wait for a connection, and how long for an answer: 5 seconds by default.
    ///
    /// The request is answered with 503 then. A statement that waits for a lock is given up after three
    /// quarters of it, and a transaction in which nothing happens after half of it, or a second. Choose less
    /// than [`StorageConfig::timeout`](crate::StorageConfig::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the schema that the tables are in: `jwtauth` by default. Applications that share a database have
    /// one each.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Trusts the certificates in this file (PEM), and no others: for a server with a certificate of its own
    /// authority, as managed services have them.
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.root_certificates = Some(path.into());
        self
    }

    /// Sets for how long a session that was read is used again without asking the database: not at all by
    /// default, 1 minute at most.
    ///
    /// Then most requests of a caller who is active cost no round trip. **What another process does to a
    /// session is seen here up to so much later**: a logout, a revocation, other roles. What this process
    /// does itself counts at once. Refreshes, logins and logouts always ask the database.
    pub const fn max_staleness(mut self, longest: Duration) -> Self {
        self.max_staleness = longest;
        self
    }

    /// Sets the isolation level: read committed by default.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Sets when a commit counts as done. By default as the server has it, and one that has `off` is refused.
    pub const fn synchronous_commit(mut self, when: SynchronousCommit) -> Self {
        self.synchronous_commit = Some(when);
        self
    }

    /// Takes a server with `fsync = off`, which loses everything in a power cut: for tests, and for a service
    /// whose storage is elsewhere, such as Neon.
    pub const fn allow_fsync_off(mut self) -> Self {
        self.allow_fsync_off = true;
        self
    }

    /// Sets whether statements are prepared once for each connection: yes by default. Say no behind PgBouncer
    /// in transaction mode before its version 1.21, or with `max_prepared_statements = 0`.
    pub const fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared_statements = prepared;
        self
    }

    /// Sets whether tables are made, and brought to the version of this release, at the start: yes by
    /// default. With no, a database without them or with those of an earlier release is refused.
    pub const fn makes_tables(mut self, makes: bool) -> Self {
        self.makes_tables = makes;
        self
    }

    /// Sets the password, in the place of one in the URL.
    ///
    /// Without either, the file that PostgreSQL's own programs read is asked: `PGPASSFILE`, or `~/.pgpass`.
    /// It is left alone, with a warning, if others can read it. Of several hosts all get the same password,
    /// that of the first which has one there.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Zeroizing::new(password.into()));
        self
    }

    /// Sets the name of the connections in the server's list `pg_stat_activity`, in the place of one in the
    /// URL. By default it is `jwtauth`, followed by the schema if that is another one than `jwtauth`.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = Some(name.into());
        self
    }

    /// Changes what is different for those who operate a store: they make no tables, and look at any server.
    pub(in crate::store) fn for_operator(mut self) -> Self {
        self.is_lenient = true;
        self.makes_tables(false).application_name(OPERATOR)
    }

    /// Returns the name that connections have which nobody has named.
    pub(super) fn usual_name(schema: &str) -> String {
        let mut name = if schema == SCHEMA { SCHEMA.into() } else { format!("{SCHEMA}: {schema}") };
        let end = (0..=MAX_NAME.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or_default());
        name
    }

    /// Checks every setting, and returns what the driver takes.
    pub(super) fn check(&self) -> Result<Config, PostgresError> {
        let refused = |setting, problem: String| Err(PostgresError::Setting { setting, problem });
        if !(1..=1_000).contains(&self.pool_size) {
            return refused("pool_size", format!("{} is not between 1 and 1000", self.pool_size));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&self.timeout) {
            return refused("timeout", format!("{:?} is not between 100ms and 1 minute", self.timeout));
        }
        if self.max_staleness > MAX_STALENESS {
            return refused("max_staleness", format!("{:?} is more than 1 minute", self.max_staleness));
        }
        if self.max_staleness > Duration::ZERO && self.max_staleness < Duration::from_millis(1) {
            return refused("max_staleness", format!("{:?} is less than 1ms: say 0", self.max_staleness));
        }
        if !(1..=63).contains(&self.schema.len()) || self.schema.contains('\0') {
            return refused("schema", format!("{:?} is no name of 1 to 63 bytes", self.schema));
        }
        let mut config = match self.understood() {
            Ok(config) => config,
            Err(problem) => return refused("URL", problem),
        };
        if config.get_ssl_mode() == SslMode::Prefer {
            let mode = if self.is_local(&config) { SslMode::Disable } else { SslMode::Require };
            config.ssl_mode(mode);
        }
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if let Some(password) = &self.password {
            config.password(password.as_bytes());
        } else if config.get_password().is_none()
            && let Some(password) = password_file::password_of(&config)
        {
            config.password(password.as_bytes());
        }
        match &self.application_name {
            Some(name) => drop(config.application_name(name)),
            None if config.get_application_name().is_none() => {
                config.application_name(Self::usual_name(&self.schema));
            }
            None => {}
        }
        // A host that has vanished is noticed in this time, not after two hours.
        if config.get_connect_timeout().is_none_or(|asked| asked.is_zero()) {
            config.connect_timeout(self.timeout);
        }
        config.tcp_user_timeout(2 * self.timeout);
        config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        Ok(config)
    }
}

impl fmt::Debug for PostgresConfig {
    /// Leaves URL and password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .field("schema", &self.schema)
            .field("root_certificates", &self.root_certificates)
            .field("max_staleness", &self.max_staleness)
            .field("isolation", &self.isolation)
            .field("synchronous_commit", &self.synchronous_commit)
            .field("allow_fsync_off", &self.allow_fsync_off)
            .field("prepared_statements", &self.prepared_statements)
            .field("makes_tables", &self.makes_tables)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

impl<U: Into<String>> From<U> for PostgresConfig {
    fn from(url: U) -> Self {
        Self::new(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_plain_text_is_asked_for() {
        for (url, mode) in [
            ("postgres://a:b@db.example.com/app", SslMode::Require),
            ("postgres://a:b@db.example.com/app?sslmode=prefer", SslMode::Require),
            ("postgres://a:b@db.example.com/app?sslmode=verify-full", SslMode::Require),
            ("postgres://a:b@db.example.com/app?sslmode=disable", SslMode::Disable),
            ("postgres://a:b@10.0.0.1,localhost/app", SslMode::Require),
            ("postgres://a:b@localhost/app", SslMode::Disable),
            ("postgres://a:b@127.0.0.1:5433/app", SslMode::Disable),
            ("postgres://a:b@[::1]/app?sslmode=require", SslMode::Require),
            ("host=/run/postgresql user=a", SslMode::Disable),
            ("host=localhost hostaddr=10.0.0.1 user=a", SslMode::Require),
        ] {
            assert_eq!(PostgresConfig::new(url).check().unwrap().get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(PostgresConfig::usual_name("jwtauth"), "jwtauth");
        assert_eq!(PostgresConfig::usual_name(&"ü".repeat(40)).len(), 63);
    }

    #[test]
    fn bad_settings_are_refused_and_no_password_is_shown() {
        let good = || PostgresConfig::new("postgres://app:pa55word@localhost/app");
        assert!(good().pool_size(1).schema("x".repeat(63)).check().is_ok());
        let shown = good().password("pa55word");
        assert!(!format!("{shown:?}{}", shown.place()).contains("pa55word"));
        for bad in [
            good().pool_size(0),
            good().pool_size(1_001),
            good().timeout(Duration::from_millis(99)),
            good().timeout(Duration::from_secs(61)),
            good().max_staleness(Duration::from_millis(60_001)),
            good().max_staleness(Duration::from_micros(999)),
            good().schema(""),
            good().schema("x".repeat(64)),
            PostgresConfig::new("postgres://app:pa55word@localhost/app?colour=pa55word"),
            PostgresConfig::new("postgres://app:pa55word@:x/app"),
            PostgresConfig::new("postgres://app:x@pa55word@localhost/app"),
            PostgresConfig::new("postgres://app:x@y?pa55word=1@localhost/app"),
            PostgresConfig::new("user=app password=pa55word"),
            PostgresConfig::new("postgres:/app:pa55word@localhost/app?sslmode=require"),
            PostgresConfig::new("POSTGRES://app:pa55word@localhost/app?sslmode=require"),
            PostgresConfig::new("postgress://app:pa55word@localhost/app?sslmode=require"),
            PostgresConfig::new("jdbc:postgresql://localhost/app:pa55word?user=app"),
            PostgresConfig::new("postgres://app:pa55word@localhost/app?channel_binding=require"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(matches!(error, PostgresError::Setting { .. }), "{error}");
            assert!(!format!("{error:?}").contains("pa55word"), "{error:?}");
        }
    }
}
