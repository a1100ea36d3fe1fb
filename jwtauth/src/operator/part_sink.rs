//! Sends a file to a program, a part at a time, and the answer behind it.
//!
//! The program may send it on to somewhere slow, so it has time. But the end of the server does not wait.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::wire::{self, FrameKind, SentRecords};

/// How long a part is at most: less than a frame may be.
const PART: usize = 64 * 1024;

/// How often to see whether the server is about to end.
const STEP: Duration = Duration::from_millis(250);

/// For how long a program may take nothing.
const STALL: Duration = Duration::from_secs(60);

/// How often a program hears how far its file is.
const TOLD_EACH: Duration = Duration::from_millis(200);

/// Takes the bytes of a file. Writing waits for the program.
pub(super) struct PartSink<E> {
    stream: UnixStream,
    part: Vec<u8>,
    is_ending: E,
}

impl<E: Fn() -> bool> PartSink<E> {
    /// Takes a stream, and what tells whether the server is about to end.
    pub(super) fn new(stream: UnixStream, is_ending: E) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        // This holds for each handle of the stream.
        stream.set_write_timeout(Some(STEP))?;
        Ok(Self { stream, part: Vec::with_capacity(PART), is_ending })
    }

    /// Sends the last frame.
    pub(super) fn end(mut self, reply: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.send(reply)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send(&mut self.stream, &self.is_ending, bytes)
    }
}

fn send(stream: &mut UnixStream, is_ending: impl Fn() -> bool, mut bytes: &[u8]) -> io::Result<()> {
    let mut moved = Instant::now();
    while !bytes.is_empty() {
        if is_ending() {
            return Err(io::Error::other("the server is ending"));
        }
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => (bytes, moved) = (&bytes[taken..], Instant::now()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(error);
            }
            Err(error) if moved.elapsed() > STALL => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

/// How often a program hears that its file has not begun yet.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Tells a program how far its file is, between two parts. To be called where those are written: a frame is
/// sent as a whole.
pub(super) struct FileProgress(Mutex<(UnixStream, Option<Instant>, Instant)>);

impl FileProgress {
    /// Takes another handle of the stream.
    pub(super) fn on(stream: &UnixStream) -> io::Result<Self> {
        Ok(Self(Mutex::new((stream.try_clone()?, None, Instant::now()))))
    }

    /// Tells it from time to time. An error means that the program has gone.
    pub(super) fn tell(&self, sent: SentRecords, is_ending: impl Fn() -> bool) -> io::Result<()> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stream, told, seen_alive) = &mut *place;
        if sent.done == 0 {
            if seen_alive.elapsed() < SIGN_OF_LIFE {
                return Ok(());
            }
            *seen_alive = Instant::now();
            return send(stream, is_ending, &wire::text_frame(FrameKind::Working, ""));
        }
        if told.is_some_and(|told| told.elapsed() < TOLD_EACH) {
            return Ok(());
        }
        *told = Some(Instant::now());
        let frame = wire::json_frame(FrameKind::Working, &sent).map_err(io::Error::other)?;
        send(stream, is_ending, &frame)
    }
}

impl<E: Fn() -> bool> Write for PartSink<E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART {
            self.flush()?;
        }
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let mut part = std::mem::take(&mut self.part);
        self.send(&wire::part_header(&part))?;
        self.send(&part)?;
        part.clear();
        self.part = part;
        Ok(())
    }
}
