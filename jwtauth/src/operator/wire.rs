//! The frames on the socket.
//!
//! A frame is `jwta`, the version, its kind, the length of its body as four bytes (the highest first), and
//! the body. Bodies are JSON; that of a refusal is plain text, and that of a part is bytes of a file.
//!
//! # Invariants
//!
//! 1. This header and [`FrameKind::Refusal`] are the same in all versions, so that each side can say which
//!    version it speaks.
//! 2. Nothing is kept of a body before it has come, whatever its length is said to be.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

/// The version of requests and answers. To be raised when one of them changes its meaning.
pub(super) const VERSION: u8 = 1;

const MAGIC: [u8; 4] = *b"jwta";
const HEADER: usize = 10;

/// How long a body is at most.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Room for a body with a password, so that no part of it is left behind by growing.
const ROOM: usize = 64 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A request: the one frame that the program sends.
    Request = 1,
    /// What came of the request: the last frame of the server.
    Reply = 2,
    /// A sign of life, while the request is being carried out. Empty, or how far it is.
    Working = 3,
    /// The server does not take the request: the text says why.
    Refusal = 4,
    /// Too many are served at the moment: the text says so. To be tried again soon.
    Busy = 5,
    /// Bytes of a file that was asked for. The reply follows the last of them.
    Part = 6,
}

/// How far a file is that is being sent: records, and of how many.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct SentRecords {
    pub(super) done: u64,
    pub(super) of: Option<u64>,
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not understood: {0}")]
    NotUnderstood(String),
    #[error("it is of version {theirs}, and this is version {VERSION}")]
    Version { theirs: u8 },
}

/// A frame that has come. Its body is wiped: there may be a password in it.
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    body: Zeroizing<Vec<u8>>,
}

impl Frame {
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, WireError> {
        let mut header = [0; HEADER];
        from.read_exact(&mut header).await?;
        let [m0, m1, m2, m3, version, kind, l0, l1, l2, l3] = header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(WireError::NotUnderstood("it does not begin like a frame".into()));
        }
        let kind = match kind {
            1 => Some(FrameKind::Request),
            2 => Some(FrameKind::Reply),
            3 => Some(FrameKind::Working),
            4 => Some(FrameKind::Refusal),
            5 => Some(FrameKind::Busy),
            6 => Some(FrameKind::Part),
            _ => None,
        };
        if version != VERSION && kind != Some(FrameKind::Refusal) {
            return Err(WireError::Version { theirs: version });
        }
        let kind = kind.ok_or_else(|| WireError::NotUnderstood("it is of an unknown kind".into()))?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_BODY {
            let text = format!("it has {length} bytes, and at most {MAX_BODY} are read");
            return Err(WireError::NotUnderstood(text));
        }
        let mut body = Zeroizing::new(Vec::with_capacity(length.min(ROOM)));
        let read = from.take(length as u64).read_to_end(&mut body).await?;
        if read < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Self { kind, body })
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Without the text of the error, which may quote a password.
            let (line, column) = (error.line(), error.column());
            WireError::NotUnderstood(format!("its body is another one than expected, at {line}:{column}"))
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Returns a frame with a value as its body.
pub(super) fn json_frame(kind: FrameKind, body: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let mut frame = Zeroizing::new(Vec::with_capacity(ROOM));
    frame.resize(HEADER, 0);
    serde_json::to_writer(&mut *frame, body)
        .map_err(|error| WireError::NotUnderstood(format!("it cannot be written: {error}")))?;
    let length = frame.len() - HEADER;
    if length > MAX_BODY {
        return Err(WireError::NotUnderstood(format!(
            "it would have {length} bytes, and at most {MAX_BODY} may be sent: ask for less at once"
        )));
    }
    frame[..HEADER].copy_from_slice(&header(kind, length));
    Ok(frame)
}

/// Returns a frame with a short text as its body.
pub(super) fn text_frame(kind: FrameKind, text: &str) -> Vec<u8> {
    [&header(kind, text.len()), text.as_bytes()].concat()
}

/// Returns the header of a frame with these bytes as its body: no more than [`MAX_BODY`].
pub(super) fn part_header(bytes: &[u8]) -> [u8; HEADER] {
    header(FrameKind::Part, bytes.len())
}

fn header(kind: FrameKind, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[5] = kind as u8;
    // OK because no body is longer than `MAX_BODY`.
    header[6..].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    header
}

pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Frame, WireError> {
        Frame::read(&mut bytes).await
    }

    #[tokio::test]
    async fn o_3_a_frame_has_a_greatest_length() {
        // Two bytes are the quotes.
        let (longest, too_long) = ("x".repeat(MAX_BODY - 2), "x".repeat(MAX_BODY - 1));
        let frame = json_frame(FrameKind::Reply, &longest).unwrap();
        let come = read(&frame).await.unwrap();
        assert_eq!((come.kind, come.json::<String>().unwrap() == longest), (FrameKind::Reply, true));
        assert!(json_frame(FrameKind::Reply, &too_long).is_err());
        for (length, good) in [(MAX_BODY, true), (MAX_BODY + 1, false)] {
            let mut frame = header(FrameKind::Request, length).to_vec();
            frame.resize(HEADER + length, b' ');
            assert_eq!(read(&frame).await.is_ok(), good, "{length}");
        }
    }

    #[tokio::test]
    async fn o_2_a_refusal_is_read_in_every_version() {
        for version in [0, VERSION, u8::MAX] {
            for (kind, good) in [(FrameKind::Refusal, true), (FrameKind::Reply, version == VERSION)] {
                let mut frame = text_frame(kind, "no");
                frame[4] = version;
                match read(&frame).await {
                    Ok(come) => assert!(good && come.text() == "no", "{version} {kind:?}"),
                    Err(WireError::Version { theirs }) => assert!(!good && theirs == version),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_frame_that_is_cut_is_none() {
        let frame = text_frame(FrameKind::Refusal, "no");
        for end in 0..frame.len() {
            let cut = read(&frame[..end]).await;
            let is_cut = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
            assert!(matches!(cut, Err(WireError::Io(error)) if is_cut(&error)), "{end}");
        }
    }
}
