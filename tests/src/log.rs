//! What is logged while a test runs, down to TRACE.
//!
//! One subscriber serves the whole process, and writes for a thread that has asked for its log. One for
//! each test would race: `tracing` remembers of each log line whether anybody wants it, and a test that
//! ends on another thread may make it forget that this one does.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

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
        LOG.with_borrow(|log| {
            if let Some(Log(lines)) = log {
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
        let wanted = DynFilterFn::new(|_, _| LOG.with_borrow(Option::is_some));
        let lines = fmt::layer().with_ansi(false).with_writer(|| Here);
        tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    });
}

/// Runs a test on this thread alone, with its log, and fails it when it takes longer than a minute.
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
    let minute = Duration::from_secs(60);
    let outcome = runtime.block_on(async { tokio::time::timeout(minute, test(&log)).await });
    LOG.set(None);
    outcome.expect("the test ends in time")
}
