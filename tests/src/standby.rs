//! A second server of PostgreSQL, which follows a first one and takes its place.

use std::process::Command;

use crate::postgres::{Postgres, programs};

impl Postgres {
    /// Makes a server that follows this one, and starts it. `None`, and a line that says so, if the program for that is
    /// not on this machine.
    ///
    /// # Panics
    ///
    /// If it is, and that fails.
    #[must_use]
    pub fn standby(&self) -> Option<Self> {
        let Some(programs) = programs(&["pg_basebackup", "postgres"]) else {
            println!("skipped: needs `pg_basebackup` (apt-get install postgresql)");
            return None;
        };
        let standby = Self::unmade(programs, &[]);
        let port = self.port().to_string();
        let mut copy: Command = standby.command("pg_basebackup");
        copy.args([
            "-w",
            "-U",
            "tests",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-D",
        ]);
        let copied = copy.arg(standby.data()).output().expect("pg_basebackup starts");
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        Some(standby.begun())
    }
}
