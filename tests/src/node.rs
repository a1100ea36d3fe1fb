//! Programs from npm, to test against: installed once, beside the build, and bounded in time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use crate::program::Running;

/// Held while something is installed, so that nobody installs it at the same time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Prepares a command that is killed when it takes longer: a script, with `home` as its argument.
#[must_use]
pub fn command(seconds: u32, home: &Path, script: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds.to_string(), "node", script]).arg(home);
    command
}

/// Ends the server that a script has used.
///
/// # Panics
///
/// If the script has failed, or its only word was not `ok`. What it has said stands last, so that a long log does not
/// hide it.
pub fn expect_ok(output: &Output, server: Running) {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    let (_, log) = server.terminate();
    let is_ok = output.status.success() && out.trim() == "ok";
    assert!(is_ok, "the program's log:\n{log}\nthe script ({}):\n{out}{err}", output.status);
}

/// Returns the folder below `tmp` where packages are that are named as `name@version`. They are installed there when they
/// are asked for first.
///
/// # Errors
///
/// Why it is nowhere: there is no Node.js, no npm, or no network.
pub fn installed(tmp: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Path::new(tmp).join(packages.join("+"));
    if home.exists() {
        return Ok(home);
    }
    // Under another name until all of it is there.
    let part = tempfile::tempdir_in(tmp).map_err(|error| error.to_string())?;
    let target = part.path().join("packages");
    std::fs::create_dir(&target).map_err(|error| error.to_string())?;
    std::fs::write(target.join("package.json"), "{}").map_err(|error| error.to_string())?;
    let mut install = Command::new("timeout");
    install.args([
        "--kill-after=5",
        "120",
        "npm",
        "install",
        "--silent",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]);
    install.args(["--fetch-retries=1", "--fetch-timeout=15000", "--prefix"]).arg(&target).args(packages);
    let output = install.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // Another process may have been faster.
    match std::fs::rename(target, &home) {
        Err(error) if !home.exists() => Err(error.to_string()),
        _ => Ok(home),
    }
}
