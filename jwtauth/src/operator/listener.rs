//! The end of the socket in the server.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::carry_out::Answered;
use super::messages::{OperatorAnswer, OperatorRequest, ServerFacts};
use super::part_sink::{FileProgress, PartSink};
use super::place::SocketFile;
use super::wire::{self, Frame, FrameKind, SentRecords, VERSION, WireError};
use super::{OperatorError, OperatorTarget};
use crate::notice::OnceAMinute;
use crate::shutdown::is_asked;
use crate::store::operate::Progress;

/// How many programs are served at the same time. One more is told to come back.
const MAX_PEERS: usize = 4;

/// How long a request may take to come, and a frame to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the server shows that it is at work.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// How long to wait when no connection can be taken, such as without a free descriptor.
const RECOVERY: Duration = Duration::from_secs(1);

/// The socket of a server. Gone when dropped.
#[derive(Debug)]
pub(crate) struct OperatorSocket {
    task: AbortHandle,
    _file: SocketFile,
    /// As long as it is there, files are sent.
    _open: Arc<()>,
}

impl OperatorSocket {
    /// Listens at this path, if there is a runtime to listen in. If that fails, the log says so.
    pub(crate) fn start(path: &Path, target: &Arc<OperatorTarget>) -> Option<Self> {
        let runtime = Handle::try_current().ok()?;
        match SocketFile::bind(path) {
            Ok(Some((file, listener))) => {
                let open = Arc::new(());
                let serving = Listening {
                    target: Arc::downgrade(target),
                    ending: Arc::downgrade(&open),
                    start: Instant::now(),
                };
                let task = runtime.spawn(serving.listen(listener)).abort_handle();
                Some(Self { task, _file: file, _open: open })
            }
            Ok(None) => {
                tracing::info!(target: "jwtauth", ?path, "another `JwtAuth` of this process, on the same store, serves the program `jwtauth` already, with its own settings and hooks, and as long as it is there");
                None
            }
            Err(error) => {
                tracing::warn!(target: "jwtauth", ?path, %error, "the socket for the program `jwtauth` cannot be opened, so that works only while this server is stopped. If that is right, set `.operator_socket(false)`");
                None
            }
        }
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        // The connections end with it.
        self.task.abort();
    }
}

/// What each connection gets.
#[derive(Clone)]
struct Listening {
    /// Weak, so that neither the listener nor an idle connection keeps the store open.
    target: Weak<OperatorTarget>,
    /// Gone when the socket is.
    ending: Weak<()>,
    start: Instant,
}

impl Listening {
    async fn listen(self, listener: std::os::unix::net::UnixListener) {
        let listener = match UnixListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(target: "jwtauth", %error, "the socket for the program `jwtauth` cannot accept connections");
                return;
            }
        };
        let mut peers = JoinSet::new();
        let (mut strangers, mut failures) = (OnceAMinute::default(), OnceAMinute::default());
        loop {
            let accepted = listener.accept().await;
            while peers.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => match admit(&stream) {
                    Ok(()) if peers.len() < MAX_PEERS => drop(peers.spawn(self.clone().serve(stream))),
                    Ok(()) => refuse(
                        stream,
                        FrameKind::Busy,
                        &format!("the server speaks to {MAX_PEERS} programs already: do this again later"),
                    ),
                    Err(stranger) => {
                        if strangers.is_due() {
                            tracing::warn!(target: "jwtauth", user = stranger.map_or(-1, i64::from), "a program of another user has connected to the socket of the session store, and was refused");
                        }
                        let own = own_user();
                        let text = format!(
                            "the server runs as the user with the id {own}: run this as that user, such as with `sudo -u '#{own}'`"
                        );
                        refuse(stream, FrameKind::Refusal, &text);
                    }
                },
                Err(error) => {
                    if failures.is_due() {
                        tracing::warn!(target: "jwtauth", %error, "a connection of the program `jwtauth` was not accepted; it is tried again");
                    }
                    sleep(RECOVERY).await;
                }
            }
        }
    }

    /// Carries out the one request of a connection.
    async fn serve(self, mut stream: UnixStream) {
        let request = match timeout(PATIENCE, read(&mut stream)).await {
            Ok(Ok(request)) => request,
            Ok(Err(WireError::Io(_))) => return, // It has looked whether somebody listens, or has gone.
            Ok(Err(error)) => return refuse(stream, FrameKind::Refusal, &not_taken(&error)),
            Err(_) => {
                return refuse(
                    stream,
                    FrameKind::Refusal,
                    &format!("no request has come within {PATIENCE:?}"),
                );
            }
        };
        if request.asks_for_file() {
            return self.send_file(stream, request).await;
        }
        let stops_with_caller = request.stops_with_caller();
        let mut working = Box::pin(self.carry_out(request));
        let mut is_there = true;
        let answer = loop {
            match timeout(SIGN_OF_LIFE, &mut working).await {
                Ok(answer) => break answer,
                // What was asked for happens, also if nobody waits for it any more, except long work that can
                // be given up.
                Err(_) if is_there => {
                    let sign = wire::text_frame(FrameKind::Working, "");
                    is_there = matches!(timeout(PATIENCE, wire::send(&mut stream, &sign)).await, Ok(Ok(())));
                }
                // Nobody would know what it was good for.
                Err(_) if stops_with_caller => return,
                Err(_) => {}
            }
        };
        if let (true, Ok(frame)) = (is_there, reply(&answer)) {
            let _ = timeout(PATIENCE, wire::send(&mut stream, &frame)).await;
        }
    }

    /// Sends what is asked for from a thread that may wait for the program.
    async fn send_file(self, stream: UnixStream, request: OperatorRequest) {
        let Ok(stream) = stream.into_std() else { return };
        if let Some(target) = self.target.upgrade() {
            // Here, because hooks may begin what outlives this.
            target.announce(&request).await;
        }
        // Gone when the runtime of the server is.
        let running = Arc::new(());
        let runs = Arc::downgrade(&running);
        let sending = tokio::task::spawn_blocking(move || {
            let Self { target, ending, .. } = self;
            let is_ending = || ending.strong_count() == 0 || runs.strong_count() == 0 || is_asked();
            let Ok(told) = FileProgress::on(&stream) else { return };
            let Ok(mut sink) = PartSink::new(stream, is_ending) else { return };
            let go_on = |progress: Progress| {
                let sent = SentRecords { done: progress.done, of: progress.of };
                let is_gone = told.tell(sent, is_ending).is_err();
                if is_gone || is_ending() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            // Of its own: a timer of a runtime that is going down panics.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let answer = match (target.upgrade(), runtime) {
                (Some(target), Ok(runtime)) => {
                    runtime.block_on(target.write_into(request, &mut sink, &go_on))
                }
                (None, _) => Err(self::ending()),
                (_, Err(error)) => Err(OperatorError::failed("the copy cannot be begun", &error)),
            };
            if let Ok(frame) = reply(&answer) {
                // A program that has gone does not hear it.
                let _ = sink.end(&frame);
            }
        });
        // If it panicked, the connection is closed, and the program says so.
        let _ = sending.await;
        drop(running);
    }

    async fn carry_out(&self, request: OperatorRequest) -> Answered {
        let Some(target) = self.target.upgrade() else {
            return Err(ending());
        };
        let mut answer = target.carry_out(request).await?;
        if let OperatorAnswer::Status(status) = &mut answer {
            status.server = Some(ServerFacts::since(self.start));
        }
        Ok(answer)
    }
}

fn ending() -> OperatorError {
    OperatorError::Failed("the server is ending: do this again".into())
}

/// Returns the last frame.
fn reply(answer: &Answered) -> Result<Zeroizing<Vec<u8>>, WireError> {
    wire::json_frame(FrameKind::Reply, answer).or_else(|error| {
        let failed: Answered = Err(OperatorError::failed("the answer is not sent", &error));
        wire::json_frame(FrameKind::Reply, &failed)
    })
}

async fn read(stream: &mut UnixStream) -> Result<OperatorRequest, WireError> {
    let frame = Frame::read(stream).await?;
    if frame.kind != FrameKind::Request {
        return Err(WireError::NotUnderstood("it is no request".into()));
    }
    frame.json()
}

fn not_taken(error: &WireError) -> String {
    let release = env!("CARGO_PKG_VERSION");
    match error {
        WireError::Version { theirs } => format!(
            "the program speaks version {theirs}, and the server version {VERSION} (jwtauth {release}): use the program of the server's release"
        ),
        error => format!(
            "the server (jwtauth {release}) does not take the request: {error}. Use the program of the server's release, built with the server's features"
        ),
    }
}

fn own_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Lets the user of this process in, and root. The error names another user, if the system knows whom.
fn admit(stream: &UnixStream) -> Result<(), Option<u32>> {
    let user = stream.peer_cred().map_err(|_| None)?.uid();
    if user == 0 || user == own_user() { Ok(()) } else { Err(Some(user)) }
}

/// Says why, as far as there is room for it at once, and closes. Waits for nobody.
fn refuse(stream: UnixStream, kind: FrameKind, why: &str) {
    let refused = || -> io::Result<()> { stream.into_std()?.write_all(&wire::text_frame(kind, why)) };
    // Whoever does not listen does not hear it.
    let _ = refused();
}
