//! The bytes of a backup. All numbers are little-endian.
//!
//! ```text
//! header  "jwtauth backup\r\n" (16) ‖ version (4) ‖ when, in Unix seconds (8) ‖ CRC-32 of these (4)
//! frame   kind (1) ‖ length of the key (1) ‖ length of the body (4) ‖ key ‖ body
//!         ‖ CRC-32 of the frame's number (8, from 0) and of all that (4)
//! ```
//!
//! | kind | key | body |
//! |---|---|---|
//! | `K` | as [`codec::encode_key`] writes it | the record that stands there, as [`codec`] writes it |
//! | `R` | the same | none: nothing stands there any more |
//! | `E`, the last frame | none | frames before it, changes, sessions, accounts, latest time, how far that is ahead, and how many records could not be read, if there are any (8 each) ‖ CRC-32 of all bytes before this frame (4) |
//!
//! # Invariants
//!
//! 1. Of several frames with one key the last one counts: the store changed while it was copied.
//! 2. A file that was cut, changed or put in another order is refused. Each frame is checked, and so is the
//!    whole. That finds accidents: somebody who wants to change a backup can, so keep it where nobody can.
//! 3. Reading takes bounded memory, whatever the bytes are.

use std::io::{self, BufReader, BufWriter, Read, Write};

use super::super::codec::{self, MAX_RECORD, RecordError};
use super::super::whole_store::{CopiedRecord, CopyTotals};
use super::walk::OperateError;
use crate::byte_order_mark::bytes_without_mark;

pub(super) const MAGIC: &[u8; 16] = b"jwtauth backup\r\n";

/// What an export begins with.
const EXPORT_START: &[u8] = b"{\"kind\":\"jwtauth\"";
/// The newest version, which is written.
const VERSION: u32 = 1;
const HEADER: usize = 32;

const KEPT: u8 = b'K';
const REMOVED: u8 = b'R';
const END: u8 = b'E';

/// Writes a backup.
pub(super) struct BackupWriter<W: Write> {
    out: BufWriter<W>,
    frames: u64,
    pub(super) bytes: u64,
    whole: crc32fast::Hasher,
}

impl<W: Write> BackupWriter<W> {
    pub(super) fn begin(out: W, taken_at: u64) -> Result<Self, OperateError> {
        let mut writer =
            Self { out: BufWriter::new(out), frames: 0, bytes: 0, whole: crc32fast::Hasher::new() };
        let mut header = [&MAGIC[..], &VERSION.to_le_bytes(), &taken_at.to_le_bytes()].concat();
        header.extend(crc32fast::hash(&header).to_le_bytes());
        writer.write(&header)?;
        Ok(writer)
    }

    pub(super) fn put(&mut self, record: &CopiedRecord) -> Result<(), OperateError> {
        match record {
            CopiedRecord::Kept(record) => {
                let (key, body) = codec::encode_record(record)?;
                self.frame(KEPT, &key, &body)
            }
            CopiedRecord::Removed(key) => self.frame(REMOVED, &codec::encode_key(key), &[]),
        }
    }

    /// Writes the last frame.
    pub(super) fn end(mut self, totals: CopyTotals) -> Result<u64, OperateError> {
        let CopyTotals { changes, sessions, accounts, latest, ahead, unreadable } = totals;
        let mut numbers = vec![self.frames, changes, sessions, accounts, latest, ahead];
        // Without it, earlier releases read the file.
        numbers.extend(Some(unreadable).filter(|unreadable| *unreadable > 0));
        let mut body: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        body.extend(self.whole.clone().finalize().to_le_bytes());
        self.frame(END, &[], &body)?;
        self.out.flush().map_err(OperateError::Write)?;
        Ok(self.bytes)
    }

    fn frame(&mut self, kind: u8, key: &[u8], body: &[u8]) -> Result<(), OperateError> {
        // OK because no key is longer than 42 bytes, and no body than `MAX_RECORD`.
        let lengths = (u8::try_from(key.len()), u32::try_from(body.len()));
        let (Ok(key_len), Ok(body_len)) = lengths else { return Err(damaged("a record is too long")) };
        let mut frame = vec![kind, key_len];
        frame.extend(body_len.to_le_bytes());
        frame.extend(key);
        frame.extend(body);
        frame.extend(checksum(self.frames, &frame).to_le_bytes());
        self.frames += 1;
        self.write(&frame)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), OperateError> {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(OperateError::Write)
    }
}

/// Reads a backup, once from its start to its end.
pub(super) struct BackupReader<R: Read> {
    input: BufReader<R>,
    pub(super) taken_at: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    whole: crc32fast::Hasher,
}

/// What a frame says.
pub(super) enum BackupFrame {
    Record(CopiedRecord),
    /// Nothing follows.
    End {
        totals: CopyTotals,
        /// Tells this backup from others.
        whole: u32,
    },
}

impl<R: Read> BackupReader<R> {
    pub(super) fn begin(input: R) -> Result<Self, OperateError> {
        let whole = crc32fast::Hasher::new();
        let mut reader = Self { input: BufReader::new(input), taken_at: 0, frames: 0, bytes: 0, whole };
        let mut header = [0; HEADER];
        let found = reader.fill(&mut header)?;
        if found < MAGIC.len() || header[..MAGIC.len()] != MAGIC[..] {
            let is_export = bytes_without_mark(&header).starts_with(EXPORT_START);
            return Err(damaged(if is_export {
                "it is an export, which `jwtauth import` reads"
            } else {
                "it does not begin as one"
            }));
        }
        let version = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        let sum = crc32fast::hash(&header[..HEADER - 4]).to_le_bytes();
        if found < HEADER || header[HEADER - 4..] != sum {
            return Err(damaged("its first bytes are damaged"));
        }
        if version != VERSION {
            return Err(OperateError::NewerBackup { found: version, newest: VERSION });
        }
        reader.taken_at = header[20..28].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(reader)
    }

    pub(super) fn next(&mut self) -> Result<BackupFrame, OperateError> {
        let before = self.whole.clone().finalize();
        let mut start = [0; 6];
        self.exactly(&mut start)?;
        let [kind, key_len, lengths @ ..] = start;
        let (key_len, body_len) = (usize::from(key_len), u32::from_le_bytes(lengths) as usize);
        if body_len > MAX_RECORD {
            return Err(self.damaged_here());
        }
        let mut frame = start.to_vec();
        frame.resize(start.len() + key_len + body_len, 0);
        self.exactly(&mut frame[start.len()..])?;
        let mut sum = [0; 4];
        self.exactly(&mut sum)?;
        if checksum(self.frames, &frame).to_le_bytes() != sum {
            return Err(self.damaged_here());
        }
        let (key, body) = frame[start.len()..].split_at(key_len);
        let frame = match kind {
            KEPT => BackupFrame::Record(CopiedRecord::Kept(
                codec::decode_record(key, body).map_err(|error| self.unreadable(error))?,
            )),
            REMOVED => BackupFrame::Record(CopiedRecord::Removed(
                codec::decode_key(key).ok_or_else(|| self.damaged_here())?,
            )),
            END => self.end(body, before)?,
            _ => return Err(self.damaged_here()),
        };
        self.frames += 1;
        Ok(frame)
    }

    fn end(&mut self, body: &[u8], whole: u32) -> Result<BackupFrame, OperateError> {
        let Some((numbers, sum)) = body.split_last_chunk::<4>() else { return Err(self.damaged_here()) };
        let (numbers, rest) = numbers.as_chunks::<8>();
        let numbers: Vec<_> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
        let ([frames, changes, sessions, accounts, latest, ahead, more @ ..], []) = (&numbers[..], rest)
        else {
            return Err(self.damaged_here());
        };
        let unreadable = match more {
            [] => 0,
            [unreadable] => *unreadable,
            _ => return Err(self.damaged_here()),
        };
        if *sum != whole.to_le_bytes() || *frames != self.frames {
            return Err(damaged("a part of it is missing"));
        }
        if self.fill(&mut [0])? > 0 {
            return Err(damaged("something follows its end"));
        }
        let totals = CopyTotals {
            changes: *changes,
            sessions: *sessions,
            accounts: *accounts,
            latest: *latest,
            ahead: *ahead,
            unreadable,
        };
        Ok(BackupFrame::End { totals, whole })
    }

    fn exactly(&mut self, bytes: &mut [u8]) -> Result<(), OperateError> {
        if self.fill(bytes)? < bytes.len() {
            return Err(damaged("its end is missing"));
        }
        Ok(())
    }

    /// Reads as many bytes as there are. Returns how many.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, OperateError> {
        let mut len = 0;
        while len < bytes.len() {
            match self.input.read(&mut bytes[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(OperateError::Read(error)),
            }
        }
        self.whole.update(&bytes[..len]);
        self.bytes += len as u64;
        Ok(len)
    }

    fn damaged_here(&self) -> OperateError {
        damaged(&format!("it was changed or cut at byte {}", self.bytes))
    }

    fn unreadable(&self, error: RecordError) -> OperateError {
        match error {
            RecordError::Damaged => self.damaged_here(),
            newer @ RecordError::NewerLayout { .. } => OperateError::Store(newer.into()),
        }
    }
}

pub(super) fn damaged(problem: &str) -> OperateError {
    OperateError::NotABackup { problem: problem.into() }
}

fn checksum(number: u64, frame: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(frame);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::store::{RecordKey, StoreRecord, sample};

    fn backup() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = BackupWriter::begin(&mut bytes, 77).unwrap();
        for number in [1, 2, 3] {
            let session = StoreRecord::Session(sample::session(number, "alice").into());
            writer.put(&CopiedRecord::Kept(session)).unwrap();
        }
        let gone = RecordKey::Session(SessionId::from_bytes([1; 16]));
        writer.put(&CopiedRecord::Removed(gone)).unwrap();
        let len = writer.end(CopyTotals { changes: 9, latest: 5, ..CopyTotals::new(2, 0) }).unwrap();
        assert_eq!(len, bytes.len() as u64);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(u64, u64, CopyTotals), OperateError> {
        let mut reader = BackupReader::begin(bytes)?;
        loop {
            if let BackupFrame::End { totals, .. } = reader.next()? {
                return Ok((reader.taken_at, reader.frames, totals));
            }
        }
    }

    #[test]
    fn a_backup_is_read_as_it_was_written_or_not_at_all() {
        let bytes = backup();
        let (taken_at, frames, totals) = read(&bytes).unwrap();
        assert_eq!((taken_at, frames, totals.changes, totals.sessions, totals.latest), (77, 5, 9, 2, 5));
        for at in 0..bytes.len() {
            let refused = read(&bytes[..at]).unwrap_err();
            assert!(matches!(refused, OperateError::NotABackup { .. }), "cut at {at}: {refused:?}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(read(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
        assert!(read(&[&bytes[..], b"\0"].concat()).is_err(), "something follows");
        assert!(read(b"").is_err() && read(b"PK\x03\x04").is_err());
    }

    #[test]
    fn frames_in_another_order_and_a_newer_version_are_refused() {
        let bytes = backup();
        // The frames of three sessions of the same kind are equally long.
        let len = 6 + 17 + u32::from_le_bytes(bytes[HEADER + 2..HEADER + 6].try_into().unwrap()) as usize + 4;
        let (header, first, rest) = (&bytes[..HEADER], &bytes[HEADER..HEADER + len], &bytes[HEADER + len..]);
        assert!(read(&[header, first, rest].concat()).is_ok());
        let swapped = [header, &rest[..len], first, &rest[len..]].concat();
        assert!(matches!(read(&swapped), Err(OperateError::NotABackup { .. })));
        assert!(matches!(read(&[header, rest].concat()), Err(OperateError::NotABackup { .. })));

        let mut newer = bytes[..HEADER - 4].to_vec();
        newer[16] = 2;
        newer.extend(crc32fast::hash(&newer).to_le_bytes());
        newer.extend(&bytes[HEADER..]);
        let refused = read(&newer).unwrap_err();
        assert!(matches!(refused, OperateError::NewerBackup { found: 2, newest: 1 }), "{refused:?}");
    }
}
