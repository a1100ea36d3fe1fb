//! Waiting for the signal that ends the process, and outliving one that must not. The only caller of
//! `tokio::signal`.

use std::io;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};
#[cfg(unix)]
use std::task::{Context, Poll, Waker};

#[cfg(unix)]
use nix::sys::signal::{self as unix, SigSet};
use tokio::runtime::Handle;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits until the process is told to end: SIGTERM, as containers and service managers send it, or SIGINT,
/// which Ctrl-C sends. On systems without Unix signals it waits for Ctrl-C.
///
/// Give it to [`run_with_graceful_shutdown`](poem::Server::run_with_graceful_shutdown) of poem, with a time
/// for the requests that are running. Always give a time: an event stream can last for ever.
///
/// Call it at the start of `main`, in the thread that stays: signals that its parent has blocked are let
/// through to it. From that call on, a signal is kept until somebody waits for it, and an `open` that is
/// under way gives up. The two signals then do nothing else.
/// Without this function, stopping a container takes until it is killed: the first process of a container
/// gets no SIGTERM that it does not handle.
///
/// Nothing is lost without it either: what was answered is on disk.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use jwtauth::{JwtAuth, shutdown_signal};
/// use poem::{EndpointExt, Route, Server, listener::TcpListener};
///
/// let stop = shutdown_signal();
/// let jwtauth = JwtAuth::builder().secret_file("data/secret").open("data/sessions").await?;
/// let server = Server::new(TcpListener::bind("127.0.0.1:3000"));
/// let app = Route::new().with(jwtauth);
/// server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If the runtime has no I/O driver. One that is made by `#[tokio::main]` has it.
#[must_use = "the process is told to end when this future is ready"]
pub fn shutdown_signal() -> impl Future<Output = ()> + Send + 'static {
    // Without a runtime there is nobody yet who could hear a signal.
    let signal = Handle::try_current().is_ok().then(listen);
    async move { signal.unwrap_or_else(listen).await }
}

/// From now on a write beyond a limit on the size of files fails with `EFBIG`. The signal that comes with it,
/// SIGXFSZ, would end the process.
///
/// Where that cannot be had, nothing changes.
#[cfg(unix)]
pub fn outlive_file_limits() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // The caller may have a runtime without a driver, or none. What handles a signal outlives this one.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        let entered = runtime.enter();
        let handled = signal(SignalKind::from_raw(nix::libc::SIGXFSZ));
        drop((handled, entered));
        runtime.shutdown_background();
    });
}

/// There is no such signal.
#[cfg(not(unix))]
pub const fn outlive_file_limits() {}

/// Handles the signals from now on. The future is ready when one has come.
#[cfg(unix)]
fn listen() -> impl Future<Output = ()> + Send + 'static {
    // A secret may be written before a store is opened.
    outlive_file_limits();
    let mut looked_at = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    if looked_at.is_empty() {
        *looked_at = signals();
    }
    let mut signals = signals();
    std::future::poll_fn(move |context| poll(&mut signals, context))
}

#[cfg(unix)]
fn signals() -> Vec<Signal> {
    // What a parent has blocked stays so in its children, and would come to no thread.
    let ours: SigSet = [unix::Signal::SIGTERM, unix::Signal::SIGINT].into_iter().collect();
    let _ = ours.thread_unblock();
    let kinds = [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())];
    let heard = |(name, kind)| signal(kind).map_err(|error| tell(name, &error)).ok();
    kinds.into_iter().filter_map(heard).collect()
}

#[cfg(unix)]
fn poll(signals: &mut [Signal], context: &mut Context<'_>) -> Poll<()> {
    let is_here = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
    if is_here { Poll::Ready(()) } else { Poll::Pending }
}

/// For those who wait in a thread and can only look. Empty until [`shutdown_signal`] is called.
#[cfg(unix)]
static LOOKED_AT: Mutex<Vec<Signal>> = Mutex::new(Vec::new());

/// Tells whether the process was told to end, once it handles the signals.
#[cfg(unix)]
pub(crate) fn is_asked() -> bool {
    static IS_ASKED: AtomicBool = AtomicBool::new(false);
    let mut looked_at = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    if poll(&mut looked_at, &mut Context::from_waker(Waker::noop())).is_ready() {
        IS_ASKED.store(true, Ordering::Relaxed);
    }
    IS_ASKED.load(Ordering::Relaxed)
}

#[cfg(not(unix))]
pub(crate) fn is_asked() -> bool {
    false
}

#[cfg(not(unix))]
async fn listen() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tell("Ctrl-C", &error);
        std::future::pending::<()>().await;
    }
}

fn tell(name: &str, error: &io::Error) {
    tracing::error!(target: "jwtauth", signal = name, error = error as &dyn std::error::Error, "the handler of this signal could not be installed: the signal keeps its default action");
}
