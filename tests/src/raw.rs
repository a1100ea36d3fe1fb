//! The files of a store as sled sees them, for tests that look into them or damage them.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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
