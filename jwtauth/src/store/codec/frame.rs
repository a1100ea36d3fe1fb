//! What stands around the fields of every record: its layout and a checksum.

use crate::error::StoreError;

/// The largest record that is written or read, in bytes.
pub const MAX_RECORD: usize = 64 * 1024;

const HEADER: usize = 5;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// They are damaged, or stand under another key than they were written for.
    #[error("a record does not match its checksum")]
    Damaged,
    /// A newer release of this crate wrote them.
    #[error(
        "a record has layout {found}, and this release reads layouts up to {newest}: use the release that wrote it"
    )]
    NewerLayout {
        /// The layout of the record.
        found: u8,
        /// The newest layout that is read.
        newest: u8,
    },
}

/// For a store that has nothing to add, such as the path of its files.
impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Damaged => Self::Backend(error.into()),
            RecordError::NewerLayout { found, newest } => Self::NewerLayout { path: None, found, newest },
        }
    }
}

/// Returns the layout that whole bytes were written in, known or not; `None` if they are damaged.
#[must_use]
pub(crate) fn layout_of(key: &[u8], bytes: &[u8]) -> Option<u8> {
    let (header, body) = bytes.split_at_checked(HEADER)?;
    (header[1..] == checksum(header[0], key, body).to_le_bytes()).then_some(header[0])
}

/// Returns the checksum that a record carries. A store that adds up those of all its records notices one that
/// is as it was before a change, each record well-formed.
#[must_use]
pub(crate) fn checksum_of(bytes: &[u8]) -> u64 {
    match bytes {
        [_, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]).into(),
        _ => 0,
    }
}

/// Puts the fields that `put` writes into a frame.
pub(super) fn close(layout: u8, key: &[u8], put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    put(&mut bytes);
    bytes[0] = layout;
    let sum = checksum(layout, key, &bytes[HEADER..]);
    bytes[1..HEADER].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Returns bytes that are not too long.
pub(super) fn fits(bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let (got, max) = (bytes.len(), MAX_RECORD);
    if got > max { Err(StoreError::TooLarge { got, max }) } else { Ok(bytes) }
}

/// Returns layout and fields of a frame that is whole and not newer than `newest`.
pub(super) fn open<'a>(newest: u8, key: &[u8], bytes: &'a [u8]) -> Result<(u8, &'a [u8]), RecordError> {
    match layout_of(key, bytes) {
        None | Some(0) => Err(RecordError::Damaged),
        Some(found) if found > newest => Err(RecordError::NewerLayout { found, newest }),
        Some(found) => Ok((found, &bytes[HEADER..])),
    }
}

/// Returns layout and fields of a frame that is not newer than `newest`, whole or not.
pub(super) fn unproven(newest: u8, bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (header, body) = bytes.split_at_checked(HEADER)?;
    (1..=newest).contains(&header[0]).then_some((header[0], body))
}

fn checksum(layout: u8, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[layout]);
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}
