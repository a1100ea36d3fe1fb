//! A server program as a child process, driven through its environment, its output and signals.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program and the settings it is started with.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    arguments: Vec<String>,
    wrapper: Vec<String>,
    directory: Option<PathBuf>,
    env: BTreeMap<String, String>,
}

impl Program {
    /// Prepares to run a binary with nothing set but a port that the system picks.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let env = BTreeMap::from([("JWTAUTH_ADDR".to_owned(), "127.0.0.1:0".to_owned())]);
        Self { binary: binary.into(), arguments: Vec::new(), wrapper: Vec::new(), directory: None, env }
    }

    /// Keeps its data in a directory.
    #[must_use]
    pub fn data(self, path: &Path) -> Self {
        self.env("JWTAUTH_DATA", &path.to_string_lossy())
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Gives the program arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self
    }

    /// Runs the program in a directory.
    #[must_use]
    pub fn directory(mut self, path: &Path) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Runs the program by way of another command, such as `["setpriv", "--reuid=65534"]`.
    #[must_use]
    pub fn wrapped(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(ToString::to_string).collect();
        self
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([self.binary.clone()]);
        let mut command = Command::new(words.next().expect("there is the binary at least"));
        command.args(words).args(&self.arguments);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["SECRET", "DEV", "DATA", "ACCESS_TTL", "REFRESH_TTL", "GRACE"] {
            command.env_remove(format!("JWTAUTH_{name}"));
        }
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "0").envs(&self.env);
        command
    }

    /// Starts the program and waits until it says where it listens.
    ///
    /// # Panics
    ///
    /// If it ends before that, with what it said, or does neither in time.
    #[must_use]
    pub fn start(&self) -> Running {
        self.attempt().unwrap_or_else(|(status, said)| panic!("the program did not start: {status}: {said}"))
    }

    /// Starts the program and waits until it says where it listens. If it ends before that, returns how, and
    /// what it said on stderr.
    ///
    /// # Errors
    ///
    /// If it ends.
    ///
    /// # Panics
    ///
    /// If it does neither in time.
    pub fn attempt(&self) -> Result<Running, (ExitStatus, String)> {
        let (mut running, lines) = self.begin_with_lines();
        let line = lines.recv_timeout(PATIENCE).expect("the program starts or ends in time");
        match line.trim().strip_prefix("listening on ") {
            Some(url) => {
                running.url = url.to_owned();
                Ok(running)
            }
            None => Err(running.wait()),
        }
    }

    /// Starts the program, and waits for nothing. Its URL is not known.
    ///
    /// # Panics
    ///
    /// If the system does not start it.
    #[must_use]
    pub fn begin(&self) -> Running {
        self.begin_with_lines().0
    }

    /// Returns its first line on stdout too, or an empty one if it ends without.
    fn begin_with_lines(&self) -> (Running, mpsc::Receiver<String>) {
        let mut child = self.command().spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, lines) = mpsc::channel();
        // Both pipes are read to their ends, so that the program never waits for us.
        thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = sender.send(line);
            std::io::copy(&mut stdout, &mut std::io::sink())
        });
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let log = thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        (Running { child, url: String::new(), log: Some(log) }, lines)
    }

    /// Runs a program that is expected to refuse to start. Returns its exit code and what it said on stderr.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[must_use]
    pub fn fail(&self) -> (Option<i32>, String) {
        let mut child = self.command().spawn().expect("the program starts");
        let status = wait(&mut child);
        let mut said = String::new();
        let _ = child.stderr.take().expect("stderr is piped").read_to_string(&mut said);
        (status.code(), said)
    }
}

/// A program that is running. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    log: Option<thread::JoinHandle<String>>,
}

impl Running {
    /// Returns the URL of a path.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the program at once, as `kill -9` does.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn kill(mut self) {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program has ended");
    }

    /// Sends SIGTERM and waits. Returns how the program ended and what it said on stderr.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[must_use]
    pub fn terminate(self) -> (ExitStatus, String) {
        let (status, log, _) = self.end_by("TERM", None);
        (status, log)
    }

    /// Sends a signal by its name and waits. `id` is the process that gets it, if it is not the child itself.
    /// Returns how the child ended, what it said on stderr, and how long that took.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[must_use]
    pub fn end_by(mut self, signal: &str, id: Option<u32>) -> (ExitStatus, String, Duration) {
        let id = id.unwrap_or_else(|| self.id());
        let start = Instant::now();
        send(signal, id);
        let status = wait(&mut self.child);
        let took = start.elapsed();
        let log = self.log.take().expect("the log is taken once").join().expect("the log can be read");
        (status, log, took)
    }

    /// Waits until the program ends by itself. Returns how it ended and what it said on stderr.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[must_use]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let log = self.log.take().expect("the log is taken once").join().expect("the log can be read");
        (status, log)
    }

    /// Tells whether the program has ended by itself.
    ///
    /// # Panics
    ///
    /// If the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the system knows its children").is_some()
    }

    /// Returns the process that a wrapper has started: the program itself.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn wrapped_id(&self) -> u32 {
        child_of(self.id())
    }

    /// Sends a signal by its name.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn signal(&self, name: &str) {
        send(name, self.id());
    }
}

/// Returns the first child of a process.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn child_of(id: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.expect("the system lists children");
    children.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a child")
}

/// Sends a signal by its name to a process.
///
/// # Panics
///
/// If the system refuses.
pub fn send(signal: &str, id: u32) {
    // The shell's own `kill`: the program of that name is not everywhere.
    let kill = format!("kill -s {signal} {id}");
    let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell runs");
    assert!(sent.success(), "{kill}");
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking()
            && let Some(Ok(log)) = self.log.take().map(thread::JoinHandle::join)
        {
            eprintln!("the program's log:\n{log}");
        }
    }
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the program can be waited for") {
            return status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the program did not end in {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}
