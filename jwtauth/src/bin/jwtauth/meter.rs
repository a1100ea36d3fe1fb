//! How far long work is: a bar on a terminal, and a line from time to time elsewhere. Ctrl-C and SIGTERM stop
//! it.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use jwtauth::shutdown_signal;
use jwtauth::store::operate::Progress;

/// How often a line is written where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far one piece of work is, on standard error.
pub(crate) struct Meter {
    name: &'static str,
    bar: Option<ProgressBar>,
    told: Mutex<Instant>,
}

impl Meter {
    /// Begins to show work with this name, such as "checking".
    pub(crate) fn begin(name: &'static str) -> Self {
        listen();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if let Some(bar) = &bar {
            style(bar, "{prefix} {spinner} {human_pos} records{msg}, {rate}");
        }
        Self { name, bar, told: Mutex::new(Instant::now()) }
    }

    /// Shows for how long somebody else has worked. A signal ends the process at once.
    pub(crate) fn begin_waiting(name: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_prefix(name);
            style(&bar, "{prefix} {spinner} {elapsed}");
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { name, bar, told: Mutex::new(Instant::now()) }
    }

    /// Notes how far it is, and says whether to go on.
    pub(crate) fn look(&self, progress: Progress) -> ControlFlow<()> {
        match &self.bar {
            Some(bar) => show(bar, progress),
            None => self.tell(progress),
        }
        if STOPPED.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn tell(&self, progress: Progress) {
        let Ok(mut told) = self.told.lock() else { return };
        if told.elapsed() < INTERVAL {
            return;
        }
        *told = Instant::now();
        let of = progress.of.map(|of| format!(" of {of}")).unwrap_or_default();
        eprintln!("jwtauth: {}: {}{of} records{}", self.name, progress.done, bytes(progress));
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
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

/// Listens to signals from now on. The first one stops the work in order, and the second one the process.
fn listen() {
    static LISTENS: AtomicBool = AtomicBool::new(false);
    if LISTENS.swap(true, Ordering::Relaxed) {
        return;
    }
    let (begun, begins) = std::sync::mpsc::channel();
    let listener = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let first = shutdown_signal();
            let _ = begun.send(());
            first.await;
            STOPPED.store(true, Ordering::Relaxed);
            shutdown_signal().await;
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
