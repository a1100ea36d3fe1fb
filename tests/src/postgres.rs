//! A PostgreSQL server of the tests' own: in a temporary directory, by a user without rights, ended with its handle.
//!
//! Tests that run at the same time share one, each with schemas of its own. Without a server on this machine they say
//! what is missing, and are skipped.

use std::env;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::store::{PostgresConfig, PostgresStore};
use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// How long a server may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, or is stopped for a while.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    owner: Option<User>,
    port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Running>>,
}

/// A program that runs as the user that the server belongs to.
#[derive(Debug)]
struct Running {
    id: u32,
    ended: mpsc::Receiver<()>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let (started, id) = mpsc::channel();
        let (tell, ended) = mpsc::channel();
        // The signal comes when the thread ends that has started the program, so that one waits for its end.
        thread::spawn(move || {
            let mut child: Child = command.spawn().expect("a program starts");
            // Nobody hears these when the test is over.
            let _ = started.send(child.id());
            let _ = child.wait();
            let _ = tell.send(());
        });
        Self { id: id.recv().expect("a program starts"), ended }
    }

    fn end(self, signal: &str) {
        // It is of another user, which root may signal too.
        let sent = Command::new("kill").args([signal, &self.id.to_string()]).status().expect("kill starts");
        assert!(sent.success(), "kill {signal} {}", self.id);
        self.ended.recv_timeout(PATIENCE).expect("a program ends");
    }
}

/// A pooler before a server: PgBouncer in transaction mode, with two connections for all clients.
#[derive(Debug)]
pub struct Pooler {
    running: Option<Running>,
    url: String,
}

impl Pooler {
    /// Starts it. `None`, and a line that says so, if it is not on this machine.
    ///
    /// # Panics
    ///
    /// If it is, and does not start.
    #[must_use]
    pub fn start(server: &Postgres) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let program =
            env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).map(|place| place.join("pgbouncer"));
        let Some(program) = program.into_iter().find(|program| program.is_file()) else {
            println!("skipped: needs PgBouncer (apt-get install pgbouncer)");
            return None;
        };
        let directory = tempfile::tempdir_in(server.directory.path()).expect("a directory is made").keep();
        if let Some(owner) = &server.owner {
            chown(&directory, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).expect("chown");
        }
        let (place, home, port) = (directory.display(), server.directory.path().display(), server.port);
        let settings = directory.join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host={home} port={port} dbname=postgres user=tests\n[pgbouncer]\n\
             pool_mode = transaction\ndefault_pool_size = 2\nauth_type = any\nlisten_addr =\n\
             listen_port = {port}\nunix_socket_dir = {place}\nlogfile = {place}/log\n"
        );
        fs::write(&settings, text).expect("a file is written");
        fs::set_permissions(&settings, Permissions::from_mode(0o644)).expect("chmod");
        let mut command = server.command_at(&program);
        command.arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running::start(command);
        let socket = directory.join(format!(".s.PGSQL.{port}"));
        let since = Instant::now();
        while !socket.exists() {
            let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
            assert!(running.ended.try_recv().is_err() && since.elapsed() < PATIENCE, "PgBouncer: {}", log());
            thread::sleep(Duration::from_millis(20));
        }
        let place = directory.to_str().expect("a path in UTF-8").replace('/', "%2F");
        Some(Self { running: Some(running), url: format!("postgres://tests@{place}:{port}/postgres") })
    }

    /// Returns the URL of the database, through the pooler.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end("-INT");
        }
    }
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
        // PostgreSQL refuses to run as root.
        let owner = geteuid().is_root().then(|| {
            let named =
                ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
            named.expect("the system has a user without rights")
        });
        let directory = tempfile::tempdir().expect("a directory is made");
        if let Some(owner) = &owner {
            fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("chmod");
            chown(directory.path(), Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).expect("chown");
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { directory, programs, owner, port: 0, settings, running: Mutex::default() }
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
        self.command_at(&self.programs.join(program))
    }

    fn command_at(&self, path: &Path) -> Command {
        let mut command = match &self.owner {
            None => Command::new(path),
            Some(owner) => {
                let mut command = Command::new("setpriv");
                let (user, group) = (owner.uid.to_string(), owner.gid.to_string());
                command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
                command.args(["--pdeathsig", "SIGQUIT", "--"]).arg(path);
                command
            }
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null()).env("LC_ALL", "C");
        command
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
        let program = Running::start(command);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if program.ended.try_recv().is_ok() {
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
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
        let Some(program) = self.lock().take() else { return };
        let id = program.id.to_string();
        let of_server = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        // At once, before one of them notices the end of another.
        let all = [&*id].into_iter().chain(of_server.split_whitespace());
        drop(Command::new("kill").arg("-9").args(all).stderr(Stdio::null()).status());
        program.ended.recv_timeout(PATIENCE).expect("a program ends");
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
