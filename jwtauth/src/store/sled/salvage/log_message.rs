//! One message of sled's log (`pagecache/logger.rs` of sled 0.34.7).
//!
//! `CRC-32 (4) ‖ kind (1) ‖ length ‖ number of the segment ‖ page ‖ body`. The checksum is that of the body
//! and of what stands before it, inverted. The number of the segment and the place in it make the position in
//! the log (LSN), so a whole message says itself where it belongs, whatever the header of its segment says.

use std::ops::Range;

use super::log_bytes::LogBytes;

/// The length of a segment.
pub(super) const SEGMENT: usize = 512 * 1024;
/// The length of the header of a segment.
pub(super) const SEGMENT_HEADER: usize = 20;
/// No message begins nearer to the end of its segment.
pub(super) const MAX_HEADER: usize = 32;

/// How many bytes are summed up at most to find messages in one segment, beyond its own length.
pub(super) const MAX_COST: usize = 64 * SEGMENT;

/// What a message is about. Of all others nothing is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogKind {
    /// Fills the rest of a segment.
    Cap,
    /// Up to which position the messages of a batch belong together.
    Batch,
    /// The page is not used any more.
    Free,
    /// A page, in the log or in a file of its own.
    Page { in_file: bool },
    /// A change of a page.
    Link { in_file: bool },
    /// A page in a file of its own that no message names. It is not in the log.
    LoneFile,
    /// Counters, the table of trees, and what was given up.
    Other,
}

impl LogKind {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            2 => Self::Cap,
            3 => Self::Batch,
            4 => Self::Free,
            8 => Self::Page { in_file: false },
            9 => Self::Page { in_file: true },
            10 => Self::Link { in_file: false },
            11 => Self::Link { in_file: true },
            1 | 5 | 6 | 7 => Self::Other,
            _ => return None,
        })
    }
}

/// A message, by its header. Its body ends where the message does.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogMessage {
    pub(super) kind: LogKind,
    pub(super) page: u64,
    /// The number of its segment.
    pub(super) segment: u64,
    /// How long all of it is.
    pub(super) len: usize,
    /// How long its body is.
    pub(super) body: usize,
}

impl LogMessage {
    /// Reads the message that begins at a place in a segment. `cost` grows by the bytes that were summed up.
    pub(super) fn at(segment: &[u8], at: usize, cost: &mut usize) -> Option<Self> {
        let (sum, message) = Self::claimed(segment, at)?;
        *cost += message.len;
        (message.sum(segment, at) == sum).then_some(message)
    }

    /// Returns by what the sum of a message is off that begins here, by its header, and where its body is.
    pub(super) fn off_by(segment: &[u8], at: usize) -> Option<(u32, Range<usize>)> {
        let (sum, message) = Self::claimed(segment, at)?;
        let end = at + message.len;
        Some((message.sum(segment, at) ^ sum, end - message.body..end))
    }

    /// Reads the header of the message that begins at a place, whatever its sum says.
    pub(super) fn header_at(segment: &[u8], at: usize) -> Option<Self> {
        Self::claimed(segment, at).map(|(_, message)| message)
    }

    /// Reads the header of a message that the file ends in, and takes what is left for its body.
    pub(super) fn cut_at(segment: &[u8], at: usize) -> Option<Self> {
        let (_, message, left) = Self::header(segment, at)?;
        (segment.len() < SEGMENT && left < message.body).then(|| {
            let head = message.len - message.body;
            Self { len: head + left, body: left, ..message }
        })
    }

    /// Returns what the header says that begins here, and the sum in it, if all of its body can be here.
    fn claimed(segment: &[u8], at: usize) -> Option<(u32, Self)> {
        let (sum, message, left) = Self::header(segment, at)?;
        (message.body <= left).then_some((sum, message))
    }

    /// Returns what the header says that begins here, the sum in it, and how many bytes follow it.
    fn header(segment: &[u8], at: usize) -> Option<(u32, Self, usize)> {
        if at > SEGMENT - MAX_HEADER {
            return None;
        }
        let all = segment.get(at..)?;
        let mut rest = LogBytes::new(all);
        let sum = rest.array()?;
        let kind = LogKind::of(rest.byte()?)?;
        let body = usize::try_from(rest.number()?).ok()?;
        let number = rest.number()?;
        let page = rest.number()?;
        let head = all.len() - rest.len();
        // A position has 63 bits.
        if number >= 1 << 44 || body > SEGMENT {
            return None;
        }
        let message = Self { kind, page, segment: number, len: head + body, body };
        Some((u32::from_le_bytes(sum), message, rest.len()))
    }

    fn sum(&self, segment: &[u8], at: usize) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let body = at + self.len - self.body;
        hasher.update(&segment[body..body + self.body]);
        hasher.update(&segment[at + 4..body]);
        hasher.finalize() ^ u32::MAX
    }

    /// Returns how long a message would be that begins here, by its header alone, which may be damaged.
    pub(super) fn claimed_len(segment: &[u8], at: usize) -> Option<usize> {
        let all = segment.get(at..)?;
        let mut rest = LogBytes::new(all);
        rest.array::<4>()?;
        LogKind::of(rest.byte()?)?;
        let body = usize::try_from(rest.number()?).ok()?;
        rest.number()?;
        rest.number()?;
        (body <= rest.len()).then(|| all.len() - rest.len() + body)
    }
}

/// Returns the number of a segment from its header, if the header is whole.
pub(super) fn segment_number(segment: &[u8]) -> Option<u64> {
    let mut header = LogBytes::new(segment.get(..SEGMENT_HEADER)?);
    let sum = u32::from_le_bytes(header.array()?) ^ u32::MAX;
    if sum != crc32fast::hash(&segment[4..SEGMENT_HEADER]) {
        return None;
    }
    let position = u64::from_le_bytes(header.array()?) ^ (u64::MAX >> 1);
    (position % SEGMENT as u64 == 0 && position >> 63 == 0).then_some(position / SEGMENT as u64)
}

/// Returns up to which position all was on disk when a segment was begun, by its header, which is whole.
pub(super) fn stable_position(segment: &[u8]) -> Option<u64> {
    let bytes = segment.get(12..SEGMENT_HEADER)?.try_into().ok()?;
    let position = u64::from_le_bytes(bytes) ^ (u64::MAX >> 1);
    // Of the first segment it is -1.
    Some(if position >> 63 == 0 { position } else { 0 })
}

/// Returns the position that a batch reaches up to.
pub(super) fn end_of_batch(body: &[u8]) -> Option<u64> {
    body.try_into().ok().map(u64::from_le_bytes)
}
