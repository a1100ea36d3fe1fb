//! A pooler before a server: PgBouncer in transaction mode, with two connections for all clients.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::postgres::{Postgres, programs};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pooler before a server: PgBouncer in transaction mode, with two connections for all clients.
#[derive(Debug)]
pub struct Pooler {
    running: Option<Daemon>,
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
        let Some(programs) = programs(&["pgbouncer"]) else {
            println!("skipped: needs PgBouncer (apt-get install pgbouncer)");
            return None;
        };
        let directory = tempfile::tempdir_in(server.directory()).expect("a directory is made").keep();
        server.user.own(&directory);
        let (place, home, port) = (directory.display(), server.directory().display(), server.port());
        let settings = directory.join("pgbouncer.ini");
        let text = format!(
            "[databases]\npostgres = host={home} port={port} dbname=postgres user=tests\n[pgbouncer]\n\
             pool_mode = transaction\nadmin_users = tests\ndefault_pool_size = 2\nauth_type = any\nlisten_addr =\n\
             listen_port = {port}\nunix_socket_dir = {place}\nlogfile = {place}/log\n"
        );
        fs::write(&settings, text).expect("a file is written");
        fs::set_permissions(&settings, Permissions::from_mode(0o644)).expect("chmod");
        let mut command = server.user.command(&programs.join("pgbouncer"), server.directory());
        command.arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Daemon::start(command);
        let socket = directory.join(format!(".s.PGSQL.{port}"));
        let since = Instant::now();
        while !socket.exists() {
            let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
            assert!(!running.has_ended() && since.elapsed() < PATIENCE, "PgBouncer: {}", log());
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

    /// Returns the URL of its console, which understands PAUSE and RESUME.
    #[must_use]
    pub fn console_url(&self) -> String {
        self.url.replace("/postgres", "/pgbouncer")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end("-INT");
        }
    }
}
