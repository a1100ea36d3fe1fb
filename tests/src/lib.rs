//! What the integration tests share: programs as child processes, apps served in this process,
//! browsers that keep cookies, and a clock that stands still.
//!
//! Every server listens on a port that the system picks, on loopback, and ends with its handle.

pub mod app;
pub mod bad_sector;
pub mod browser;
pub mod cargo;
pub mod certificate;
#[cfg(unix)]
mod daemon;
pub mod faulty;
pub mod log;
pub mod nginx;
pub mod node;
pub mod numbers;
#[cfg(unix)]
pub mod patroni;
#[cfg(unix)]
pub mod pooler;
#[cfg(unix)]
pub mod postgres;
pub mod program;
pub mod python;
pub mod raw;
pub mod serve;
pub mod small_disk;
#[cfg(unix)]
mod standby;
pub mod stranger;
pub mod tab;
pub mod test_store;
pub mod wire;

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Sweeps twice, because a manual clock jumps. Returns how many sessions and values were removed.
///
/// # Panics
///
/// If the store fails.
pub async fn sweep(sessions: &jwtauth::Sessions) -> usize {
    let first = sessions.sweep().await.expect("the store works");
    first + sessions.sweep().await.expect("the store works")
}

/// How long a test may take, if it does not say so itself. It is for tests that hang: on a busy machine a good
/// one takes many times as long as alone.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Runs a test and fails it when it takes longer than [`LIMIT`].
///
/// # Panics
///
/// When the time is over.
pub fn bounded<T>(test: impl Future<Output = T>) -> T {
    bounded_by(LIMIT, test)
}

/// Runs a test and fails it when it takes longer than `limit`.
///
/// # Panics
///
/// When the time is over.
pub fn bounded_by<T>(limit: Duration, test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async { tokio::time::timeout(limit, test).await.expect("the test ends in time") })
}

/// Runs a test on one thread with tokio's time standing still: it jumps to the next timer when all wait.
///
/// Only for what needs nothing from outside this thread, such as sessions in memory.
///
/// # Panics
///
/// When it takes longer than [`LIMIT`] of real time.
pub fn in_no_time<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    if !test_store::is_in_memory() {
        println!("skipped: the time of a disk does not stand still");
        return;
    }
    let (done, outcome) = mpsc::channel();
    let runner = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime starts");
        runtime.block_on(test());
        // Nobody hears it when it comes too late.
        let _ = done.send(());
    });
    match outcome.recv_timeout(LIMIT) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => panic!("the test ends in time"),
        Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = runner.join() {
                resume_unwind(panic);
            }
        }
    }
}

/// README's program, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
