//! What is logged while a test runs, down to TRACE.
//!
//! One subscriber serves the whole process, and writes for a thread that has asked for its log. One for
//! each test would race: `tracing` remembers of each log line whether anybody wants it, and a test that
//! ends on another thread may make it forget that this one does.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::in_no_time;

thread_local! {
    /// Where this thread's lines go.
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// The lines written so far.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns everything logged so far.
    ///
    /// # Panics
    ///
    /// If a line is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("lines are UTF-8")
    }
}

/// Writes to the log of the thread it is used on.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A thread that ends may still log, when its own place is gone: sled frees its pages then.
        let _ = LOG.try_with(|log| {
            if let Some(Log(lines)) = &*log.borrow() {
                lines.lock().expect("no writer panics").extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let wanted = DynFilterFn::new(|_, _| LOG.try_with(|log| log.borrow().is_some()).unwrap_or(false));
        let lines = fmt::layer().with_ansi(false).with_writer(|| Here);
        tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    });
}

/// Runs a test on this thread alone, with its log, and fails it when it takes longer than [`LIMIT`](crate::LIMIT).
///
/// Everything the test spawns runs on this thread too, so every line is its own.
///
/// # Panics
///
/// When the time is over.
pub fn logged<T>(test: impl AsyncFnOnce(&Log) -> T) -> T {
    subscribe();
    let log = Log::default();
    LOG.set(Some(log.clone()));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let outcome = runtime.block_on(async { tokio::time::timeout(crate::LIMIT, test(&log)).await });
    LOG.set(None);
    outcome.expect("the test ends in time")
}

/// Runs a test like [`logged`], with tokio's time standing still: see [`in_no_time`].
///
/// # Panics
///
/// When it takes longer than [`LIMIT`](crate::LIMIT) of real time.
pub fn logged_in_no_time(test: impl AsyncFnOnce(&Log) + Send + 'static) {
    in_no_time(|| async {
        subscribe();
        let log = Log::default();
        LOG.set(Some(log.clone()));
        test(&log).await;
        LOG.set(None);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Last;

    impl Drop for Last {
        fn drop(&mut self) {
            tracing::error!("the thread ends");
        }
    }

    #[test]
    fn a_thread_that_ends_may_log() {
        thread_local!(static LAST: Last = const { Last });
        let thread = std::thread::spawn(|| {
            // What is used first is dropped last.
            LAST.with(|_| ());
            logged(async |_| ());
        });
        thread.join().unwrap();
    }
}
