//! The data file, as far as its disk gives it back. A block that cannot be read counts as damaged bytes, so
//! that what stands around it is found.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::private_file::is_unreadable;

/// What is read at once where something cannot be read. No common disk has longer sectors.
const BLOCK: usize = 4_096;

/// Stands for a byte that cannot be read. No message has it for its kind, and it is no end of the log either.
const UNKNOWN: u8 = 0xff;

/// The data file, open.
#[derive(Debug)]
pub(super) struct LogFile(File);

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Reads the bytes from a place on. Returns how many blocks of them cannot be read.
    pub(super) fn read(&mut self, start: u64, bytes: &mut [u8]) -> io::Result<u64> {
        match self.read_exact(start, bytes) {
            Err(error) if is_unreadable(&error) => {}
            read => return read.map(|()| 0),
        }
        let (mut unreadable, mut at) = (0, 0);
        while at < bytes.len() {
            let place = start + at as u64;
            // OK because the rest is less than a block.
            let rest = BLOCK - usize::try_from(place % BLOCK as u64).unwrap_or_default();
            let end = bytes.len().min(at + rest);
            match self.read_exact(place, &mut bytes[at..end]) {
                Err(error) if is_unreadable(&error) => {
                    bytes[at..end].fill(UNKNOWN);
                    unreadable += 1;
                }
                read => read?,
            }
            at = end;
        }
        Ok(unreadable)
    }

    fn read_exact(&mut self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(start))?;
        self.0.read_exact(bytes)
    }
}
