//! Waiting for the signal that ends the process. The only caller of `tokio::signal`.

use std::io;

use tokio::runtime::Handle;

/// Waits until the process is told to end: SIGTERM, as containers and service managers send it, or SIGINT,
/// which Ctrl-C sends. On systems without Unix signals it waits for Ctrl-C.
///
/// Give it to [`run_with_graceful_shutdown`](poem::Server::run_with_graceful_shutdown) of poem, with a time
/// for the requests that are running. Always give a time: an event stream can last for ever.
///
/// Call it at the start of `main`. From that call on, a signal is kept until somebody waits for it. The two
/// signals then do nothing else. Without it, stopping a container takes until it is killed: the first process
/// of a container gets no SIGTERM that it does not handle.
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

/// Handles the signals from now on. The future is ready when one has come.
#[cfg(unix)]
fn listen() -> impl Future<Output = ()> + Send + 'static {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())];
    let heard = |(name, kind)| signal(kind).map_err(|error| tell(name, &error)).ok();
    let mut signals: Vec<_> = kinds.into_iter().filter_map(heard).collect();
    poll_fn(move |context| {
        let is_here = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if is_here { Poll::Ready(()) } else { Poll::Pending }
    })
}

#[cfg(not(unix))]
async fn listen() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tell("Ctrl-C", &error);
        std::future::pending::<()>().await;
    }
}

fn tell(name: &str, error: &io::Error) {
    tracing::error!(target: "jwtauth", signal = name, error = error as &dyn std::error::Error, "the system lets nobody wait for this signal: it does what it does without a handler");
}
