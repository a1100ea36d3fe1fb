//! The end of the socket in the program.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::OperatorError;
use super::messages::{OperatorAnswer, OperatorRequest};
use super::place::ShortPath;
use super::wire::{self, Frame, FrameKind, SentRecords, VERSION, WireError};
use crate::private_file::{owner_of_store, parent};

/// How long to wait for a sign of life. The server sends one each second.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait for a turn while the server speaks to others.
const TURN: Duration = Duration::from_secs(10);

/// How often to ask whether it is there.
const INTERVAL: Duration = Duration::from_millis(50);

/// Tells whether somebody listens at this path.
pub(super) async fn is_served(path: &Path) -> Result<bool, OperatorError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        // What else is there is none of the server's.
        _ => return Ok(false),
    }
    Ok(connect(path).await?.is_some())
}

/// What comes before the answer.
pub(super) enum Piece<'a> {
    /// Bytes of a file.
    Part(&'a [u8]),
    /// How far the file is.
    Sent(SentRecords),
    /// The server works on it: it may have to wait itself before a copy begins.
    Alive,
}

/// Takes what comes before the answer.
pub(super) type TakePiece<'a> = &'a mut (dyn FnMut(Piece<'_>) -> Result<(), OperatorError> + Send);

/// For requests that are answered without a file.
pub(super) fn no_file(piece: Piece<'_>) -> Result<(), OperatorError> {
    match piece {
        Piece::Alive | Piece::Sent(_) => Ok(()),
        Piece::Part(_) => Err(OperatorError::Failed("the server sends a file instead of an answer".into())),
    }
}

pub(super) async fn ask(
    path: &Path,
    request: &OperatorRequest,
    take: TakePiece<'_>,
) -> Result<OperatorAnswer, OperatorError> {
    let request = wire::json_frame(FrameKind::Request, request)
        .map_err(|error| OperatorError::Refused(error.to_string()))?;
    let start = Instant::now();
    loop {
        let Some(mut stream) = connect(path).await? else {
            return Err(OperatorError::Failed("the server has ended meanwhile: do this again".into()));
        };
        check_server(path, &stream)?;
        match converse(&mut stream, &request, take).await? {
            Heard::Answer(answer) => return *answer,
            Heard::Busy(_) if start.elapsed() < TURN => sleep(INTERVAL).await,
            Heard::Busy(text) => return Err(OperatorError::Refused(text)),
        }
    }
}

/// What the server says at last.
enum Heard {
    Answer(Box<Result<OperatorAnswer, OperatorError>>),
    /// Nothing was done.
    Busy(String),
}

async fn converse(
    stream: &mut UnixStream,
    request: &[u8],
    take: TakePiece<'_>,
) -> Result<Heard, OperatorError> {
    // A server that refuses does not read it all. Then it says why.
    let sent = timeout(PATIENCE, wire::send(stream, request)).await.map_err(no_answer)?;
    loop {
        let frame = match timeout(PATIENCE, Frame::read(stream)).await.map_err(no_answer)? {
            Ok(frame) => frame,
            Err(error) => return Err(not_read(sent.err(), &error)),
        };
        match frame.kind {
            FrameKind::Working if frame.bytes().is_empty() => take(Piece::Alive)?,
            FrameKind::Working => {
                take(Piece::Sent(frame.json().map_err(|error| not_read(None, &error))?))?;
            }
            FrameKind::Part => take(Piece::Part(frame.bytes()))?,
            FrameKind::Busy => return Ok(Heard::Busy(frame.text())),
            FrameKind::Refusal => return Err(OperatorError::Refused(frame.text())),
            FrameKind::Reply => {
                return frame.json().map(Heard::Answer).map_err(|error| not_read(None, &error));
            }
            FrameKind::Request => {
                return Err(OperatorError::Failed("the server sends a request instead of an answer".into()));
            }
        }
    }
}

fn no_answer(_: tokio::time::error::Elapsed) -> OperatorError {
    OperatorError::NoAnswer { after: PATIENCE }
}

/// Connects; `None` if nobody listens.
async fn connect(path: &Path) -> Result<Option<UnixStream>, OperatorError> {
    let failed = |error: io::Error| OperatorError::failed("the server cannot be spoken to", &error);
    let short = ShortPath::of(path).map_err(failed)?;
    match timeout(PATIENCE, UnixStream::connect(&short.path)).await.map_err(no_answer)? {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            // The socket of a server that was killed.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::PermissionDenied => Err(OperatorError::refused(format!(
                "this user may not speak to the server at {path:?}: run this as the user whom the server runs as"
            ))),
            // So many wait already that the system takes no more.
            io::ErrorKind::WouldBlock => Err(OperatorError::NoAnswer { after: Duration::ZERO }),
            _ => Err(failed(error)),
        },
    }
}

/// Speaks to the owner of the store only, or to root: there may be a password in what is sent. A volume may
/// belong to another user than the store that lies in it.
fn check_server(path: &Path, stream: &UnixStream) -> Result<(), OperatorError> {
    let failed = |error: io::Error| OperatorError::failed("the server cannot be looked at", &error);
    let owner = owner_of_store(parent(path)).map_err(failed)?;
    let user = stream.peer_cred().map_err(failed)?.uid();
    if user == owner || user == 0 {
        return Ok(());
    }
    Err(OperatorError::refused(format!(
        "the program that listens at {path:?} runs as the user with the id {user}, and the store belongs to {owner}: nothing was sent to it"
    )))
}

fn not_read(sent: Option<io::Error>, error: &WireError) -> OperatorError {
    match error {
        WireError::Io(ended) if has_ended(ended) => {
            let why = sent.map(|error| format!(" ({error})")).unwrap_or_default();
            OperatorError::Failed(format!(
                "the server has closed the connection without an answer{why}: look into its log"
            ))
        }
        WireError::Version { theirs } => OperatorError::Failed(format!(
            "the server speaks version {theirs}, and this program version {VERSION}: use the program of the server's release"
        )),
        error => OperatorError::failed("the answer of the server cannot be read", error),
    }
}

fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
