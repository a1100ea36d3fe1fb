//! Servers as they run on a machine: as a user without rights. They end with the process that started them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::unistd::{User, geteuid};

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom servers run as. PostgreSQL refuses to run as root.
#[derive(Clone, Debug)]
pub(crate) struct PlainUser(Option<User>);

impl PlainUser {
    /// Returns the user of this process, or one without rights if that is root.
    pub(crate) fn new() -> Self {
        Self(geteuid().is_root().then(|| {
            let named =
                ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
            named.expect("the system has a user without rights")
        }))
    }

    /// Gives the user a directory.
    pub(crate) fn give(&self, directory: &Path) {
        if self.0.is_some() {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).expect("chmod");
            self.own(directory);
        }
    }

    /// Gives the user a file, with the rights that it has.
    pub(crate) fn own(&self, path: &Path) {
        if let Some(user) = &self.0 {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
        }
    }

    /// Returns a program as this user. If this process ends, so does the program.
    pub(crate) fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = match &self.0 {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let (user, group) = (user.uid.to_string(), user.gid.to_string());
                command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
                command.args(["--pdeathsig", "SIGQUIT", "--"]).arg(program);
                command
            }
        };
        command.current_dir(directory).stdin(Stdio::null()).env("LC_ALL", "C").env("HOME", directory);
        command
    }
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) id: u32,
    ended: mpsc::Receiver<()>,
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Self {
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

    /// Tells whether it has ended by itself. Says so once.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.try_recv().is_ok()
    }

    pub(crate) fn end(self, signal: &str) {
        // It is of another user, which root may signal too.
        let sent = Command::new("kill").args([signal, &self.id.to_string()]).status().expect("kill starts");
        assert!(sent.success(), "kill {signal} {}", self.id);
        self.wait();
    }

    /// Ends it and all that it has started, at once: `kill -9`.
    pub(crate) fn kill_all(self) {
        kill(&family(self.id));
        self.wait();
    }

    pub(crate) fn wait(self) {
        self.ended.recv_timeout(PATIENCE).expect("a program ends");
    }
}

/// Returns the ids of a process and its descendants.
pub(crate) fn family(id: u32) -> Vec<String> {
    let mut all = vec![id.to_string()];
    let mut next = 0;
    while let Some(id) = all.get(next) {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().map(str::to_owned));
        next += 1;
    }
    all
}

/// Ends processes before one of them notices the end of another.
pub(crate) fn kill(all: &[String]) {
    drop(Command::new("kill").arg("-9").args(all).stderr(Stdio::null()).status());
}
