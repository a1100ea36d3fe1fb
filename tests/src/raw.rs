//! The files of a store as sled sees them, for tests that look into them or damage them.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Copies the files of a store, or of a directory with stores, as they are now. The socket of a server is none.
///
/// # Panics
///
/// If a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if !kind.is_socket() {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// Opens the database that nobody has open.
///
/// Waits for its lock: a child process that another test was starting holds it until it is a program of its own.
///
/// # Panics
///
/// If it cannot be opened within 5 seconds.
#[must_use]
pub fn open(path: &Path) -> sled::Db {
    let start = Instant::now();
    loop {
        match sled::open(path) {
            Ok(tree) => return tree,
            Err(error) if start.elapsed() > Duration::from_secs(5) => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
