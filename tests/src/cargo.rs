//! Cargo as a child process, for tests of what a user types. Every call is bounded in time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long cargo may take: the first call builds more than a hundred crates, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The crates of a build, each as `name version`, with the features it is built with.
pub type Crates = BTreeMap<String, BTreeSet<String>>;

/// Runs cargo in a directory. Returns what it printed, or what it said on stderr if it failed.
///
/// # Errors
///
/// If cargo fails.
///
/// # Panics
///
/// If it does not end in time.
pub fn cargo(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    // Files, as nobody has to read them while cargo runs.
    let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    let to = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
    let mut child = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(to(&stdout))
        .stderr(to(&stderr))
        .spawn()
        .expect("cargo starts");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("cargo can be waited for") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("cargo {arguments:?} did not end in {PATIENCE:?}: {}", text(&mut stderr));
        }
        thread::sleep(Duration::from_millis(10));
    };
    if status.success() { Ok(text(&mut stdout)) } else { Err(text(&mut stderr)) }
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file can be read again");
    file.read_to_string(&mut text).expect("cargo speaks UTF-8");
    text
}

/// Returns the crates that cargo builds in a directory, for this machine and without tests. `selection` is what a
/// command says about packages and features.
///
/// # Panics
///
/// If cargo fails.
#[must_use]
pub fn crates(directory: &Path, selection: &[&str]) -> Crates {
    let tree = ["tree", "--edges=normal,build", "--no-dedupe", "--prefix=none", "--format={p}|{f}"];
    let tree = cargo(directory, &[&tree[..], selection].concat()).unwrap_or_else(|said| panic!("{said}"));
    let mut crates = Crates::new();
    for line in tree.lines() {
        let (package, features) = line.split_once('|').expect("a package and its features");
        // Behind them stands a path, or that it is a macro.
        let name = package.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned);
        // A crate that is built twice, for the program and for a macro, is here with all its features.
        crates.entry(name).or_default().extend(features);
    }
    crates
}
