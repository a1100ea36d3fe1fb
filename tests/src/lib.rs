//! What the integration tests share: programs as child processes, apps served in this process,
//! browsers that keep cookies, and a clock that stands still.
//!
//! Every server listens on a port that the system picks, on loopback, and ends with its handle.

pub mod app;
pub mod browser;
pub mod faulty;
pub mod log;
pub mod numbers;
pub mod program;
pub mod serve;
pub mod tab;
pub mod wire;

use std::future::Future;
use std::time::Duration;

/// Runs a test and fails it when it takes longer than a minute.
///
/// # Panics
///
/// When the time is over.
pub fn bounded<T>(test: impl Future<Output = T>) -> T {
    bounded_by(Duration::from_secs(60), test)
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

/// README's program, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
