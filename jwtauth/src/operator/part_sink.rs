//! Sends a file to a program, a part at a time, and the answer behind it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use super::wire;

/// How long a part is at most: less than a frame may be.
const PART: usize = 64 * 1024;

/// Takes the bytes of a file. Writing waits for the program.
pub(super) struct PartSink {
    stream: UnixStream,
    part: Vec<u8>,
}

impl PartSink {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, part: Vec::with_capacity(PART) }
    }

    /// Sends the last frame.
    pub(super) fn end(mut self, reply: &[u8]) -> io::Result<()> {
        self.flush()?;
        self.stream.write_all(reply)
    }
}

impl Write for PartSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() == PART {
            self.flush()?;
        }
        let taken = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.part.is_empty() {
            self.stream.write_all(&wire::part_header(&self.part))?;
            self.stream.write_all(&self.part)?;
            self.part.clear();
        }
        Ok(())
    }
}
