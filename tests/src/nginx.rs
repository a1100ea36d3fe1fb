//! nginx as people have it in front of an app: started on loopback, and ended with its handle.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// An nginx that runs. Ends when dropped.
#[derive(Debug)]
pub struct Nginx {
    directory: PathBuf,
    master: Child,
}

impl Nginx {
    /// Starts it with what stands in its block `http`. Everything that it writes is in `directory`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(directory: &Path, http: &str) -> Self {
        write_settings(directory, http);
        let mut command = Command::new("nginx");
        command.args(["-g", "daemon off;", "-c"]).arg(directory.join("nginx.conf"));
        Self { directory: directory.into(), master: command.spawn().expect("nginx starts") }
    }

    /// Takes other settings from now on.
    ///
    /// # Panics
    ///
    /// If it cannot be told.
    pub fn reload(&self, http: &str) {
        write_settings(&self.directory, http);
        let told = Command::new("kill").args(["-HUP", &self.master.id().to_string()]).status();
        assert!(told.expect("it is told").success());
    }
}

/// Lets nginx look at what stands in its block `http`.
///
/// # Errors
///
/// What it says against that.
///
/// # Panics
///
/// If there is no nginx.
pub fn verify(directory: &Path, http: &str) -> Result<(), String> {
    write_settings(directory, http);
    let mut command = Command::new("nginx");
    command.args(["-t", "-q", "-e", "stderr", "-c"]).arg(directory.join("nginx.conf"));
    let tested = command.output().expect("nginx starts");
    if tested.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&tested.stderr).into_owned()) }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.master.id().to_string()]).status();
        let _ = self.master.wait();
    }
}

/// Returns whether there is one on this machine.
#[must_use]
pub fn is_there() -> bool {
    Command::new("nginx").arg("-v").output().is_ok()
}

/// Returns a port that was free a moment ago: nginx takes none that the system picks.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has an address").port()
}

/// Waits until something listens there.
pub async fn listens(port: u16) {
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write_settings(directory: &Path, http: &str) {
    let path = |name: &str| directory.join(name).display().to_string();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};\n", path(name)))
        .concat();
    let whole = format!(
        "pid {};\nerror_log {} error;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{http}}}\n",
        path("pid"),
        path("error.log")
    );
    std::fs::write(directory.join("nginx.conf"), whole).expect("the settings are written");
}
