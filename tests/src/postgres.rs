//! A PostgreSQL server of the tests' own: in a temporary directory, by a user without rights, ended with its handle.
//!
//! Tests that run at the same time share one, each with schemas of its own. Without a server on this machine they say
//! what is missing, and are skipped.

use std::env;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::{PostgresConfig, PostgresStore};
use tempfile::TempDir;

use crate::daemon::{Daemon, PlainUser};

/// How long a server may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, or is stopped for a while.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    pub(crate) user: PlainUser,
    port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Daemon>>,
}

/// Returns the server that the tests share.
///
/// `None`, and a line that says so, if there are no programs of PostgreSQL on this machine.
///
/// # Panics
///
/// If there are, and no server starts.
#[must_use]
pub fn shared() -> Option<Arc<Postgres>> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    // Nothing in it outlives the test.
    shared_with(&SHARED, &["fsync=off", "full_page_writes=off"])
}

/// The same, with a server that keeps what it has acknowledged: for those who accept no other.
///
/// # Panics
///
/// If there are programs of PostgreSQL, and no server starts.
#[must_use]
pub fn durable() -> Option<Arc<Postgres>> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    shared_with(&SHARED, &[])
}

fn shared_with(shared: &Mutex<Weak<Postgres>>, settings: &[&str]) -> Option<Arc<Postgres>> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Postgres::start(settings)?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

/// Returns where PostgreSQL's programs are, these among them.
pub(crate) fn programs(names: &[&str]) -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    // Where Debian has them, which is not on the path.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    // Nor what only root uses.
    places.push("/usr/sbin".into());
    let has_all = |place: &PathBuf| names.iter().all(|name| place.join(name).is_file());
    places.into_iter().find(has_all)
}

impl Postgres {
    /// Makes a server and starts it with these settings of its own. `None`, and a line that says so, if there are no
    /// programs of PostgreSQL on this machine.
    ///
    /// # Panics
    ///
    /// If there are, and it does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs(&["initdb", "postgres"]) else {
            println!(
                "skipped: needs PostgreSQL's server, `initdb` and `postgres` (apt-get install postgresql)"
            );
            return None;
        };
        let server = Self::unmade(programs, settings);
        let data = server.data();
        let made = server
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=tests", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        Some(server.begun())
    }

    /// Makes a directory for a server, with nothing in it.
    pub(crate) fn unmade(programs: PathBuf, settings: &[&str]) -> Self {
        let user = PlainUser::new();
        let directory = tempfile::tempdir().expect("a directory is made");
        user.give(directory.path());
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { directory, programs, user, port: 0, settings, running: Mutex::default() }
    }

    /// Starts a server for the first time.
    pub(crate) fn begun(mut self) -> Self {
        for _ in 0..5 {
            // Somebody else may take the port before the server does.
            let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            self.port = port.expect("a port is free").port();
            if self.try_to_run() {
                return self;
            }
        }
        panic!("PostgreSQL does not start: {}", self.log());
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Returns a program as the user that the server belongs to. If this process ends, so does the program.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.user.command(&self.programs.join(program), self.directory.path())
    }

    /// Starts the server again, after [`stop`](Self::stop) or [`kill`](Self::kill).
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_again(&self) {
        assert!(self.try_to_run(), "PostgreSQL does not start: {}", self.log());
    }

    fn try_to_run(&self) -> bool {
        let log = fs::File::create(self.directory.path().join("log")).expect("a log is made");
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.directory.path());
        for setting in ["listen_addresses=127.0.0.1", "max_connections=200"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone().expect("a file is shared")).stderr(log);
        let program = Daemon::start(command);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if program.has_ended() {
                return false;
            }
            // The line that says that it takes connections, in a file that only a running server has.
            let mut lines = String::new();
            let file = fs::File::open(self.data().join("postmaster.pid"));
            if file.is_ok_and(|mut file| file.read_to_string(&mut lines).is_ok())
                && lines.lines().last().is_some_and(|line| line.trim() == "ready")
            {
                *self.lock() = Some(program);
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        program.end("-QUIT");
        false
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Daemon>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the server: clients are thrown out, and everything is on disk.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(&self) {
        self.end("-INT");
    }

    /// Ends the server and all of its processes with `kill -9`.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn kill_all(&self) {
        if let Some(program) = self.lock().take() {
            program.kill_all();
        }
    }

    /// Ends the server without a warning, as a crash of its machine would.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn kill(&self) {
        self.end("-QUIT");
    }

    fn end(&self, signal: &str) {
        if let Some(program) = self.lock().take() {
            program.end(signal);
        }
    }

    /// Returns the URL of the database, through a socket in the server's directory.
    ///
    /// # Panics
    ///
    /// If the directory is no text.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = self.directory.path().to_str().expect("a path in UTF-8").replace('/', "%2F");
        format!("postgres://tests@{socket}:{}/postgres", self.port)
    }

    /// Returns the port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns where the server's log is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns a name for a schema that nobody else has.
    #[must_use]
    pub fn schema(&self) -> String {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        format!("store {}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the settings of a store that has a schema of its own.
    pub fn config(&self) -> PostgresConfig {
        PostgresConfig::new(self.url()).schema(self.schema()).allow_fsync_off().pool_size(8)
    }

    /// Opens a store in a schema of its own.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn store(&self) -> PostgresStore {
        PostgresStore::connect(self.config()).await.expect("the store opens")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end("-QUIT");
    }
}
