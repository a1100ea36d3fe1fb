//! Finds all whole messages in the data file.
//!
//! Segments are used again: behind the messages of the newest use there may be some of an older one. They are
//! taken too, and what is newer stands above them in the order of positions.
//!
//! Where a message is damaged, the next one is looked for: behind the length that its header claims, and else
//! byte by byte. A text that a user has chosen may look like a message. So one that was found byte by byte
//! counts only if another message, or the end of what is written, follows it at once, and if it belongs into
//! this segment. So does one of which a single bit was wrong, and is put right.
//!
//! A message in which more is wrong is *torn*, if another one, or the end of what is written, stands where
//! its header says that it ends, or if the file ends in it. It is told too: single records in it may be
//! whole, and have checksums of their own.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use super::bit_mend;
use super::log_file::LogFile;
use super::log_message::{
    LogKind, LogMessage, MAX_COST, MAX_HEADER, SEGMENT, SEGMENT_HEADER, end_of_batch, segment_number,
    stable_position,
};

/// Where a message about a page stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundMessage {
    pub(super) page: u64,
    /// Its position in the log.
    pub(super) lsn: u64,
    /// Where its body begins in the file.
    pub(super) at: u64,
    /// The length of its body.
    pub(super) len: u32,
    pub(super) kind: LogKind,
    /// Whether something in it is wrong.
    pub(super) is_torn: bool,
    /// Whether it stands elsewhere than it was written. Its position is about right only.
    pub(super) is_moved: bool,
}

impl FoundMessage {
    /// Stands for a page in a file of its own, whose name is the position of the message that is missing.
    pub(super) const fn of_file(page: u64, name: u64) -> Self {
        let (kind, is_torn, is_moved) = (LogKind::LoneFile, false, false);
        Self { page, lsn: name, at: name, len: 0, kind, is_torn, is_moved }
    }

    /// Describes a message that begins at a place in the file, and was written elsewhere.
    pub(super) fn moved(message: &LogMessage, place: u64, is_torn: bool) -> Option<Self> {
        let at = place % SEGMENT as u64;
        // OK because a segment is not longer.
        let found = Self::of(message, place - at, usize::try_from(at).unwrap_or_default(), is_torn)?;
        Some(Self { is_moved: true, ..found })
    }

    /// Describes a message that begins at a place of a segment, which begins at `start` in the file.
    fn of(message: &LogMessage, start: u64, at: usize, is_torn: bool) -> Option<Self> {
        let body = at + message.len - message.body;
        matches!(message.kind, LogKind::Free | LogKind::Page { .. } | LogKind::Link { .. }).then(|| Self {
            page: message.page,
            lsn: message.segment * SEGMENT as u64 + at as u64,
            at: start + body as u64,
            // OK because a segment is not longer.
            len: u32::try_from(message.body).unwrap_or_default(),
            kind: message.kind,
            is_torn,
            is_moved: false,
        })
    }
}

/// What was found in a log.
#[derive(Debug, Default)]
pub(super) struct LogScan {
    /// Messages about pages, in the order of pages and positions.
    pub(super) messages: Vec<FoundMessage>,
    /// Where the last batch begins, if not all of it is there.
    pub(super) cut_batch: Option<u64>,
    pub(super) segments: u64,
    pub(super) damaged_segments: u64,
    pub(super) damaged_places: u64,
    /// Blocks that the disk cannot read.
    pub(super) unreadable_blocks: u64,
    /// The bits that are wrong, by the place of their byte in the file.
    pub(super) mends: BTreeMap<u64, u8>,
    /// The end of the last message.
    pub(super) tip: u64,
    /// The numbers of all segments, in order.
    numbers: Vec<u64>,
    /// Up to which position all was on disk once.
    stable: u64,
}

/// What is known of one segment.
struct ScannedSegment {
    number: u64,
    is_finished: bool,
}

impl LogScan {
    /// Reads a log. Without `keep` only what is damaged is found, in memory that does not grow with the log.
    pub(super) fn run(
        file: &mut LogFile,
        keep: bool,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> io::Result<Option<Self>> {
        let (mut scan, mut batches, mut ends) = (Self::default(), Vec::new(), Vec::new());
        let (len, mut tip) = (file.len()?, 0);
        let mut segment = Vec::with_capacity(SEGMENT);
        let mut start = 0;
        while start < len {
            // OK because a segment is not longer.
            segment.resize(usize::try_from((len - start).min(SEGMENT as u64)).unwrap_or(SEGMENT), 0);
            scan.unreadable_blocks += file.read(start, &mut segment)?;
            ends.extend(scan.read_segment(&mut segment, start, &mut batches, &mut tip));
            if !keep {
                scan.messages.clear();
                // All of these are there.
                batches.retain(|(_, last)| *last >= tip);
            }
            start += SEGMENT as u64;
            if progress(start.min(len), len).is_break() {
                return Ok(None);
            }
        }
        // Each segment but the newest is full.
        let newest = ends.iter().map(|end| end.number).max();
        let short = ends.iter().filter(|end| !end.is_finished && Some(end.number) != newest);
        scan.damaged_places += short.count() as u64;
        scan.messages.sort_by_key(|message| (message.page, message.lsn));
        let cut = batches.into_iter().filter(|(_, last)| *last >= tip);
        scan.cut_batch = cut.map(|(lsn, _)| lsn).min();
        let mut numbers: Vec<_> = ends.iter().map(|end| end.number).collect();
        numbers.sort_unstable();
        scan.numbers = numbers;
        scan.tip = tip;
        Ok(Some(scan))
    }

    /// Tells whether a log does not reach up to a position that it has reached.
    pub(super) const fn ends_before(&self, position: u64) -> bool {
        let segment = SEGMENT as u64;
        // At the end of a segment that is almost full sled names the next one.
        let end =
            if position.is_multiple_of(segment) { self.tip.next_multiple_of(segment) } else { self.tip };
        end < position
    }

    /// Tells whether a segment is missing among those that were not on disk for sure: they follow each other.
    pub(super) fn has_gap_in_tail(&self) -> bool {
        self.has_gap_behind(self.stable)
    }

    /// Tells whether segments are missing that were written after a position.
    pub(super) fn has_gap_behind(&self, position: u64) -> bool {
        let first = position / SEGMENT as u64;
        let newer = self.numbers.iter().skip_while(|number| **number < first);
        !newer.copied().eq(first..=self.numbers.last().copied().unwrap_or(first).max(first))
    }

    /// Reads one segment. `tip` is the end of the last message of all.
    fn read_segment(
        &mut self,
        segment: &mut [u8],
        start: u64,
        batches: &mut Vec<(u64, u64)>,
        tip: &mut u64,
    ) -> Option<ScannedSegment> {
        let header = segment_number(segment);
        if header.is_some() {
            self.stable = self.stable.max(stable_position(segment).unwrap_or_default());
        }
        let mut cost = 0;
        let mut at = SEGMENT_HEADER;
        let mut newest = header.map(|number| ScannedSegment { number, is_finished: false });
        // Where messages of the newest use of the segment are missing.
        let mut gap = false;
        // What came of an older use of the segment, since its newest one was seen last.
        let mut older = None;
        loop {
            let mut next = next_message(segment, at, &mut cost);
            if next.is_none_or(|(found, _)| found != at)
                && let Some(mended) = self.mend(segment, start, at, &mut cost)
            {
                (next, gap) = (Some((at, mended)), true);
            }
            let is_lost = next.is_none_or(|(found, _)| found != at);
            let torn = is_lost.then(|| torn_at(segment, at, &mut cost)).flatten();
            let torn = torn.and_then(|torn| Some((torn.segment, FoundMessage::of(&torn, start, at, true)?)));
            let Some((found, message)) = next else {
                let current = newest.as_ref().map(|newest| newest.number);
                self.messages
                    .extend(torn.filter(|(number, _)| Some(*number) == current).map(|(_, torn)| torn));
                break;
            };
            gap |= found != at;
            if gap && header.is_some_and(|number| message.segment > number) {
                // Somebody has put it there: a message says which segment it is in.
                at = found + 1;
                continue;
            }
            at = found + message.len;
            let lsn = message.segment * SEGMENT as u64 + found as u64;
            let is_current = newest.as_ref().is_none_or(|newest| message.segment >= newest.number);
            if is_current {
                let is_same = newest.as_ref().is_some_and(|newest| newest.number == message.segment);
                self.damaged_places += u64::from(gap && is_same);
                if let Some((messages, ends)) = older.take().filter(|_| is_same) {
                    // Nothing older stands between messages of the newest use, so somebody has put it there.
                    self.messages.truncate(messages);
                    batches.truncate(ends);
                }
                let is_finished = message.kind == LogKind::Cap || at >= SEGMENT - MAX_HEADER;
                newest = Some(ScannedSegment { number: message.segment, is_finished });
            } else {
                older.get_or_insert((self.messages.len(), batches.len()));
            }
            gap = false;
            // It is of the same use of the segment as what follows.
            self.messages.extend(torn.filter(|(number, _)| *number == message.segment).map(|(_, torn)| torn));
            *tip = (*tip).max(lsn + message.len as u64);
            match message.kind {
                LogKind::Batch => {
                    batches.extend(end_of_batch(&segment[at - message.body..at]).map(|end| (lsn, end)));
                }
                _ => self.messages.extend(FoundMessage::of(&message, start, found, false)),
            }
        }
        self.segments += u64::from(newest.is_some());
        self.damaged_segments += u64::from(header.is_none() && newest.is_some());
        newest
    }
}

impl LogScan {
    /// Puts the one bit right that is wrong in the message at a place, if it is one.
    fn mend(&mut self, segment: &mut [u8], start: u64, at: usize, cost: &mut usize) -> Option<LogMessage> {
        let bit = bit_mend::of_message(segment, at, cost)?;
        segment[bit.at] ^= bit.mask;
        let message = LogMessage::at(segment, at, cost);
        let message = message.filter(|message| is_followed(segment, at + message.len, cost));
        match message {
            Some(_) => drop(self.mends.insert(start + bit.at as u64, bit.mask)),
            None => segment[bit.at] ^= bit.mask,
        }
        message
    }
}

/// Returns what the header says of a message in which more than one bit is wrong, if something follows where
/// it ends, or if the file ends in it.
fn torn_at(segment: &[u8], at: usize, cost: &mut usize) -> Option<LogMessage> {
    let whole = LogMessage::header_at(segment, at);
    let message = match whole.filter(|message| is_followed(segment, at + message.len, cost)) {
        Some(message) => message,
        None => LogMessage::cut_at(segment, at)?,
    };
    let is_in_log =
        matches!(message.kind, LogKind::Page { in_file: false } | LogKind::Link { in_file: false });
    is_in_log.then_some(message)
}

/// Returns the next whole message at a place in a segment or behind it.
fn next_message(segment: &[u8], at: usize, cost: &mut usize) -> Option<(usize, LogMessage)> {
    if let Some(message) = LogMessage::at(segment, at, cost) {
        return Some((at, message));
    }
    if let Some(len) = LogMessage::claimed_len(segment, at)
        && let Some(message) = LogMessage::at(segment, at + len, cost)
    {
        return Some((at + len, message));
    }
    let last = segment.len().min(SEGMENT - MAX_HEADER + 1);
    for place in at + 1..last {
        if *cost > MAX_COST + SEGMENT {
            return None;
        }
        if let Some(message) = LogMessage::at(segment, place, cost)
            && is_followed(segment, place + message.len, cost)
        {
            return Some((place, message));
        }
    }
    None
}

/// Tells whether a message, or the end of what is written, begins here.
fn is_followed(segment: &[u8], at: usize, cost: &mut usize) -> bool {
    at > SEGMENT - MAX_HEADER
        || segment.get(at + 4).is_none_or(|kind| *kind == 0)
        || LogMessage::at(segment, at, cost).is_some()
}
