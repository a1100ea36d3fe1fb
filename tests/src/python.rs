//! Programs from PyPI, to test against: installed once, beside the build, and bounded in time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What was tried in this process, so that nobody tries it twice, or at the same time.
static TRIED: Mutex<Option<HashMap<String, Result<PathBuf, String>>>> = Mutex::new(None);

/// Prepares a command that is killed when it takes longer, and finds the packages in `home`.
///
/// Output and input are as they are by default.
#[must_use]
pub fn command(seconds: u32, home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds.to_string()]).args(words);
    command.env("PYTHONPATH", home).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Returns where packages are that are named as `name==version`, the first of which names the place.
///
/// They are installed below `tmp` when they are asked for first.
///
/// # Errors
///
/// Why they are nowhere: there is no Python, no pip, no network, or none of these versions for this Python.
pub fn installed(tmp: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = tried.get_or_insert_default().entry(packages.join(" "));
    known.or_insert_with(|| install(tmp, packages)).clone()
}

fn install(tmp: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = Path::new(tmp).join(packages.first().ok_or("no package is asked for")?);
    if home.exists() {
        return Ok(home);
    }
    // Under another name until all of it is there.
    let part = tempfile::tempdir_in(tmp).map_err(|error| error.to_string())?;
    let target = part.path().join("packages");
    let mut install = vec!["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    install.extend(["--no-input", "--timeout=15", "--retries=1", "--only-binary=:all:"]);
    install.extend(["--target", target.to_str().ok_or("the path is no text")?]);
    install.extend(packages);
    let output = command(120, part.path(), &install).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // Another process may have been faster.
    match std::fs::rename(target, &home) {
        Err(error) if !home.exists() => Err(error.to_string()),
        _ => Ok(home),
    }
}
