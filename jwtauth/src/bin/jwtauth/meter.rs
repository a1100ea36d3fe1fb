//! How far long work is: a bar on a terminal, and a line from time to time elsewhere. Both say so if it does
//! not go on. Ctrl-C and SIGTERM stop it.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use jwtauth::shutdown_signal;
use jwtauth::store::operate::Progress;

use super::{hidden_typing, output};

/// How often a line is written where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Since when it is no further, if that is said.
const STILL: Duration = Duration::from_secs(3);

/// For how long work may go on after a signal before it is said how to end it at once.
const LAST_STEP: Duration = Duration::from_secs(2);

/// Shows how far one piece of work is, on standard error.
pub(crate) struct Meter {
    shown: Arc<MeterState>,
    /// Whether it looks for signals.
    looks: bool,
    /// Dropped, it ends the thread that tells.
    _ends: Sender<()>,
}

struct MeterState {
    name: &'static str,
    bar: Option<ProgressBar>,
    begun: Instant,
    /// How far it is, and since when it is no further.
    latest: Mutex<(Option<Progress>, Instant)>,
}

impl Meter {
    /// Begins to show work with this name, such as "checking".
    pub(crate) fn begin(name: &'static str) -> Self {
        listen();
        LOOKING.fetch_add(1, Ordering::Relaxed);
        Self::show(name, "{prefix} {spinner} {human_pos} records{msg}, {rate}", true)
    }

    /// Shows for how long work goes on that says nothing of itself. A signal ends the process at once.
    pub(crate) fn begin_waiting(name: &'static str) -> Self {
        Self::show(name, "{prefix} {spinner} {elapsed}", false)
    }

    fn show(name: &'static str, template: &str, looks: bool) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_prefix(name);
            style(&bar, template);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        let shown = Arc::new(MeterState { name, bar, begun: now, latest: Mutex::new((None, now)) });
        let (ends, end) = mpsc::channel();
        let telling = Arc::clone(&shown);
        let tell = move || {
            // A thread of its own, because the work may wait for a disk that hangs.
            while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                telling.tell();
            }
        };
        // Without it the work is done all the same.
        let _ = thread::Builder::new().name("meter".into()).spawn(tell);
        Self { shown, looks, _ends: ends }
    }

    /// Notes how far it is, and says whether to go on.
    pub(crate) fn look(&self, progress: Progress) -> ControlFlow<()> {
        {
            let mut latest = self.shown.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if latest.0 != Some(progress) {
                *latest = (Some(progress), Instant::now());
            }
        }
        if let Some(bar) = &self.shown.bar {
            show(bar, progress);
        }
        if STOPPED.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl MeterState {
    /// Says how far it is, and whether that is no further than before.
    fn tell(&self) {
        let (progress, since) = *self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let still = Some(since.elapsed()).filter(|still| *still >= STILL);
        let still = still.map(|still| format!(", the same for {}s", still.as_secs())).unwrap_or_default();
        match (&self.bar, progress) {
            (Some(bar), Some(progress)) => bar.set_message(bytes(progress) + &still),
            (Some(_), None) => {}
            (None, Some(progress)) => {
                let of = progress.of.map(|of| format!(" of {of}")).unwrap_or_default();
                let (name, done, bytes) = (self.name, progress.done, bytes(progress));
                output::say(&format!("{name}: {done}{of} records{bytes}{still}"));
            }
            (None, None) => output::say(&format!("{}: for {}s", self.name, self.begun.elapsed().as_secs())),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.looks {
            LOOKING.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(bar) = &self.shown.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        // Whole numbers: a thousandth of a record says nothing.
        let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate));
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    if progress.of.is_some() && bar.length() != progress.of {
        style(bar, "{prefix} [{bar:30}] {human_pos}/{human_len} records{msg}, {rate}, {eta} left");
    }
    match progress.of {
        Some(of) => bar.set_length(of),
        None => bar.unset_length(),
    }
    bar.set_message(bytes(progress));
    bar.set_position(progress.done);
}

/// How many bytes were read or written, where there is a file.
fn bytes(progress: Progress) -> String {
    if progress.bytes == 0 { String::new() } else { format!(", {}", size(progress.bytes)) }
}

/// Whether the process was told to end.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// How many pieces of work look whether it was.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

/// Listens to signals from now on. The first one stops the work in order, and the second one the process. So
/// does the first one while nobody looks, as at a question.
pub(crate) fn listen() {
    static LISTENS: AtomicBool = AtomicBool::new(false);
    if LISTENS.swap(true, Ordering::Relaxed) {
        return;
    }
    let (begun, begins) = mpsc::channel();
    let listener = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let first = shutdown_signal();
            let _ = begun.send(());
            first.await;
            STOPPED.store(true, Ordering::Relaxed);
            let second = shutdown_signal();
            tokio::pin!(second);
            let is_looked_for = LOOKING.load(Ordering::Relaxed) > 0;
            if is_looked_for && tokio::time::timeout(LAST_STEP, &mut second).await.is_err() {
                output::say("it stops when this step is done. Ctrl-C again ends it at once");
                second.await;
            }
            hidden_typing::show_typing();
            std::process::exit(130);
        });
    };
    // Without it a signal ends the process at once, which loses nothing either.
    if thread::Builder::new().name("signals".into()).spawn(listener).is_ok() {
        let _ = begins.recv();
    }
}

/// Writes a number of bytes with a unit.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
