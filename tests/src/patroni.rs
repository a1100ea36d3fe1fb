//! A machine of a cluster as Patroni makes it: etcd, Patroni, and the server of PostgreSQL that it starts.
//!
//! Each has an address of its own on loopback, so that the ports are those that people write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;

use crate::daemon::{Daemon, PlainUser, family, kill};
use crate::postgres::programs;

/// A machine that runs, until it is killed.
#[derive(Debug)]
pub struct ClusterNode {
    /// Where it listens.
    pub address: String,
    directory: TempDir,
    running: Vec<Daemon>,
}

/// The machines of a cluster, and the files that their administrator has written.
#[derive(Debug)]
pub struct Cluster {
    /// Those that live.
    pub nodes: Vec<ClusterNode>,
    /// The three first numbers of the addresses.
    network: String,
    programs: PathBuf,
    user: PlainUser,
    balancer: Option<(Daemon, TempDir)>,
}

impl Cluster {
    /// Prepares one. `None`, and a line that says so, if a program for it is not on this machine.
    #[must_use]
    pub fn prepare() -> Option<Self> {
        static CLUSTERS: AtomicU8 = AtomicU8::new(1);
        for program in ["etcd", "patroni"] {
            if programs(&[program]).is_none() {
                println!("skipped: needs `{program}` (apt-get install etcd-server patroni)");
                return None;
            }
        }
        let Some(programs) = programs(&["initdb", "pg_basebackup", "pg_rewind", "postgres", "psql"]) else {
            println!("skipped: needs PostgreSQL's server (apt-get install postgresql)");
            return None;
        };
        // Two processes of tests use other networks.
        let [low, high, ..] = std::process::id().to_le_bytes();
        let network =
            format!("127.{}.{}.", high.max(1), low.wrapping_add(CLUSTERS.fetch_add(1, Ordering::Relaxed)));
        Some(Self { nodes: Vec::new(), network, programs, user: PlainUser::new(), balancer: None })
    }

    /// Returns the addresses of so many machines.
    #[must_use]
    pub fn addresses(&self, machines: usize) -> Vec<String> {
        (1..=machines).map(|number| format!("{}{}", self.network, 20 + number)).collect()
    }

    /// Starts a load balancer, HAProxy, with settings of a guide. Returns where it listens; `None`, and a line that says
    /// so, if it is not on this machine.
    ///
    /// # Panics
    ///
    /// If it is, and does not start.
    pub fn balance(&mut self, settings: &str) -> Option<String> {
        let Some(programs) = programs(&["haproxy"]) else {
            println!("skipped: needs HAProxy (apt-get install haproxy)");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory is made");
        self.user.give(directory.path());
        let file = directory.path().join("haproxy.cfg");
        fs::write(&file, settings.replace("10.0.0.", &self.network)).expect("the settings are written");
        let mut command = self.user.command(&programs.join("haproxy"), directory.path());
        command.args(["-db", "-f"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        self.balancer = Some((Daemon::start(command), directory));
        Some(format!("{}20", self.network))
    }

    /// Returns the program with which people ask a server.
    #[must_use]
    pub fn psql(&self) -> Command {
        Command::new(self.programs.join("psql"))
    }

    /// Lets the servers read files.
    pub fn give(&self, directory: &Path, files: &[&Path]) {
        self.user.give(directory);
        for file in files {
            self.user.own(file);
        }
    }

    /// Starts a machine with settings of a guide, whose machines have the addresses 10.0.0.21 and so on: of etcd, as
    /// its environment, and of Patroni. `own` says which other texts stand for what on this machine.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(&mut self, etcd: &str, patroni: &str, own: &[(&str, &Path)]) {
        let directory = tempfile::tempdir().expect("a directory is made");
        self.user.give(directory.path());
        let here = |text: &str| {
            let mut text = text.replace("10.0.0.0/24", "127.0.0.0/8").replace("10.0.0.", &self.network);
            let places =
                [("/var/lib/etcd", "etcd"), ("/var/lib/postgresql/15", "data"), ("/run/postgresql", "")];
            for (place, name) in places {
                text = text.replace(place, &directory.path().join(name).display().to_string());
            }
            for (place, path) in own {
                text = text.replace(place, &path.display().to_string());
            }
            text.replace("/usr/lib/postgresql/15/bin", &self.programs.display().to_string())
        };
        let log = |name: &str| {
            let log = fs::File::create(directory.path().join(name)).expect("a log is made");
            (Stdio::from(log.try_clone().expect("a file is shared")), Stdio::from(log))
        };
        let mut command = self.user.command(Path::new("etcd"), directory.path());
        for line in here(etcd).lines().filter(|line| !line.starts_with('#')) {
            let (variable, value) = line.split_once('=').expect("a variable");
            command.env(variable, value);
        }
        let (out, error) = log("etcd.log");
        command.stdout(out).stderr(error);
        let etcd = Daemon::start(command);
        let settings = directory.path().join("config.yml");
        fs::write(&settings, here(patroni)).expect("the settings are written");
        let mut command = self.user.command(Path::new("patroni"), directory.path());
        command.arg(&settings);
        let (out, error) = log("patroni.log");
        command.stdout(out).stderr(error);
        let address = self.addresses(self.nodes.len() + 1).pop().expect("it is one of them");
        self.nodes.push(ClusterNode { address, directory, running: vec![etcd, Daemon::start(command)] });
    }
}

impl ClusterNode {
    /// Ends all that runs on it, at once, as a power failure does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let mut all: Vec<_> = self.running.iter().flat_map(|daemon| family(daemon.id)).collect();
        // Patroni is not the parent of the server that it starts.
        let server = fs::read_to_string(self.directory.path().join("data/shop/postmaster.pid"));
        let server = server.ok().and_then(|lines| lines.lines().next().and_then(|id| id.parse().ok()));
        all.extend(server.into_iter().flat_map(family));
        kill(&all);
        for daemon in self.running.drain(..) {
            daemon.wait();
        }
    }

    /// Returns what Patroni has said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("patroni.log")).unwrap_or_default()
    }
}

impl Drop for ClusterNode {
    fn drop(&mut self) {
        if !self.running.is_empty() {
            self.end();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((daemon, _)) = self.balancer.take() {
            daemon.kill_all();
        }
    }
}
