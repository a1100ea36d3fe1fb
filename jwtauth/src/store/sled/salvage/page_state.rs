//! What a page says of keys: rebuilt from its newest whole base and all changes behind it. Of a message that
//! is torn only those records count that prove themselves: their checksum covers the key too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use super::super::super::codec;
use super::bit_mend;
use super::log_file::LogFile;
use super::log_message::{LogKind, SEGMENT};
use super::log_scan::FoundMessage;
use super::page_bytes::{PageItems, PageRange, change, page};
use super::torn_page;

/// A page in a file of its own is not longer, or the file is damaged: a record has 64 KiB at most, and sled
/// splits pages.
const MAX_BLOB: u64 = 64 * 1024 * 1024;
/// The checksum and the kind in front of a page in a file of its own.
const BLOB_HEADER: usize = 5;

/// Reads the bodies of messages.
#[derive(Debug)]
pub(super) struct BodyReader {
    file: LogFile,
    blobs: PathBuf,
    /// The bits that are wrong, by the place of their byte in the file.
    mends: BTreeMap<u64, u8>,
}

impl BodyReader {
    /// Returns the pages in files of their own that no message names, as if there were messages.
    pub(super) fn lone_files(&mut self, all: &[FoundMessage]) -> io::Result<Vec<FoundMessage>> {
        let mut lone: BTreeSet<u64> = BTreeSet::new();
        for entry in fs::read_dir(&self.blobs).into_iter().flatten().flatten() {
            lone.extend(entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        for message in all.iter().filter(|message| message.kind == LogKind::Page { in_file: true }) {
            lone.remove(&self.number_of_file(message)?);
        }
        let page = |name| FoundMessage::of_file(u64::MAX, name);
        Ok(lone.into_iter().map(page).collect())
    }

    /// Returns the name of the file that a message is about.
    fn number_of_file(&mut self, message: &FoundMessage) -> io::Result<u64> {
        let mut name = [0; 8];
        if message.len == 8 {
            self.file.read(message.at, &mut name)?;
        }
        Ok(u64::from_le_bytes(name))
    }

    pub(super) fn new(file: LogFile, store: &Path, mends: BTreeMap<u64, u8>) -> Self {
        Self { file, blobs: store.join("blobs"), mends }
    }

    pub(super) const fn file(&mut self) -> &mut LogFile {
        &mut self.file
    }

    /// Shows all bytes of all files, whatever they are, in parts, until somebody has seen enough: what is no
    /// longer than `longest` is in one part as a whole. With each part comes how far that is in the log.
    pub(super) fn each_part(
        &mut self,
        longest: usize,
        mut look: impl FnMut(&[u8], u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let (len, mut start, mut part) = (self.file.len()?, 0, Vec::with_capacity(SEGMENT + longest));
        while start < len {
            // OK because a part is not longer.
            let left = usize::try_from(len - start).unwrap_or(usize::MAX);
            part.resize(left.min(SEGMENT + longest), 0);
            self.file.read(start, &mut part)?;
            start += SEGMENT as u64;
            if look(&part, start.min(len)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        for entry in fs::read_dir(&self.blobs).into_iter().flatten().flatten() {
            if entry.metadata().is_ok_and(|found| found.is_file() && found.len() <= MAX_BLOB)
                && let Ok(bytes) = fs::read(entry.path())
                && look(&bytes, len).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the body; `None` if it is in a file of its own, and that is missing or damaged.
    pub(super) fn read(&mut self, message: &FoundMessage) -> io::Result<Option<Vec<u8>>> {
        if message.kind == LogKind::LoneFile {
            return Ok(i64::try_from(message.at).ok().and_then(|name| self.blob(name)));
        }
        let mut body = vec![0; message.len as usize];
        self.file.read(message.at, &mut body)?;
        for (at, mask) in self.mends.range(message.at..message.at + u64::from(message.len)) {
            if let Some(byte) = usize::try_from(at - message.at).ok().and_then(|at| body.get_mut(at)) {
                *byte ^= mask;
            }
        }
        match message.kind {
            LogKind::Page { in_file: true } | LogKind::Link { in_file: true } => {
                Ok(body.try_into().ok().and_then(|name| self.blob(i64::from_le_bytes(name))))
            }
            _ => Ok(Some(body)),
        }
    }

    fn blob(&self, name: i64) -> Option<Vec<u8>> {
        let path = self.blobs.join(name.to_string());
        if fs::metadata(&path).ok()?.len() > MAX_BLOB {
            return None;
        }
        let mut bytes = fs::read(path).ok()?;
        let sum = u32::from_le_bytes(*bytes.first_chunk()?);
        if bytes.len() < BLOB_HEADER {
            return None;
        }
        let off = crc32fast::hash(&bytes[4..]) ^ sum;
        // One bit in the sum itself leaves the rest whole.
        if off.count_ones() > 1 {
            let bit = bit_mend::flipped(off, bytes.len() - 4, 0)?;
            bytes[4 + bit.at] ^= bit.mask;
        }
        bytes.drain(..BLOB_HEADER);
        Some(bytes)
    }
}

/// Where a page is, and which keys it holds.
#[derive(Debug)]
pub(super) struct PagePlace {
    /// Its changes, among all messages.
    changes: Range<usize>,
    base: Option<usize>,
    /// The position of its base; `None` if there is none that is whole.
    pub(super) since: Option<u64>,
    pub(super) range: PageRange,
    /// No key of it that matters is before this one.
    pub(super) from: Vec<u8>,
    /// Other ranges that it may have had, if its own is not known.
    others: Vec<PageRange>,
    /// Whether sled has given it up. What it says counts only where nobody else says anything.
    pub(super) is_free: bool,
    /// Whether its messages were found elsewhere than they were written.
    pub(super) is_moved: bool,
}

/// What a page says of a key, and since when.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) lsn: u64,
    /// The value; `None` if the key is not there.
    pub(super) value: Option<Vec<u8>>,
}

/// Finds the newest whole state of a page among its messages, which stand in the order of their positions.
pub(super) enum FoundPage {
    Leaf(PagePlace),
    /// A page of another kind: the first keys of others.
    Index(Vec<(Vec<u8>, u64)>),
    /// There are changes and nothing whole that they change.
    WithoutBase {
        changes: Range<usize>,
        is_free: bool,
    },
    /// Nothing that matters.
    Nothing,
}

/// Returns what was found, and how many bases were read in vain.
pub(super) fn find(
    reader: &mut BodyReader,
    all: &[FoundMessage],
    of_page: Range<usize>,
) -> io::Result<(FoundPage, u64)> {
    let last = |kind: fn(&LogKind) -> bool| of_page.clone().rev().find(|at| kind(&all[*at].kind));
    let freed = last(|kind| *kind == LogKind::Free);
    let newest_change = last(|kind| matches!(kind, LogKind::Link { .. }));
    let mut broken = 0;
    let is_base = |message: &FoundMessage| matches!(message.kind, LogKind::Page { .. });
    let has_torn_base = of_page.clone().any(|at| is_base(&all[at]) && all[at].is_torn);
    broken += u64::from(has_torn_base);
    for at in of_page.clone().rev().filter(|at| is_base(&all[*at]) && !all[*at].is_torn) {
        let Some(body) = reader.read(&all[at])? else {
            broken += 1;
            continue;
        };
        let found = match page(&body) {
            Some((range, PageItems::Leaf(_))) => FoundPage::Leaf(PagePlace {
                is_free: freed
                    .is_some_and(|freed| freed > at && newest_change.is_none_or(|last| last < freed)),
                ..PagePlace::with_base(at, &all[at], range, at + 1..of_page.end)
            }),
            Some((range, PageItems::Index(pages))) => {
                FoundPage::Index(pages.into_iter().map(|(key, page)| (range.key(key), page)).collect())
            }
            None => {
                broken += 1;
                continue;
            }
        };
        return Ok((found, broken));
    }
    let is_free = freed.is_some_and(|freed| newest_change.is_none_or(|last| last < freed));
    let found = match newest_change {
        Some(_) => FoundPage::WithoutBase { changes: of_page, is_free },
        None if has_torn_base => FoundPage::WithoutBase { changes: of_page, is_free },
        None => FoundPage::Nothing,
    };
    Ok((found, broken))
}

impl PagePlace {
    /// A state of a page that begins with a message, which is whole, and the changes that follow it.
    pub(super) fn with_base(at: usize, base: &FoundMessage, range: PageRange, changes: Range<usize>) -> Self {
        let place = Self::without_base(changes, range.lo.clone(), false);
        Self { base: Some(at), since: Some(base.lsn), range, is_moved: base.is_moved, ..place }
    }

    /// A page of which only changes are left, and the first key is known from elsewhere.
    pub(super) fn without_base(changes: Range<usize>, lo: Vec<u8>, is_free: bool) -> Self {
        let from = lo.clone();
        Self {
            changes,
            base: None,
            since: None,
            range: PageRange::from(lo),
            from,
            others: Vec::new(),
            is_free,
            is_moved: false,
        }
    }

    /// Changes of a page that may have had several ranges. `None` if they say nothing.
    pub(super) fn of_changes(
        changes: Range<usize>,
        others: Vec<PageRange>,
        reader: &mut BodyReader,
        all: &[FoundMessage],
    ) -> io::Result<Option<Self>> {
        let is_moved = all[changes.start].is_moved;
        let mut place = Self { others, is_moved, ..Self::without_base(changes, Vec::new(), false) };
        let (said, _) = place.statements(reader, all)?;
        let Some((first, _)) = said.first_key_value() else { return Ok(None) };
        place.from.clone_from(first);
        Ok(Some(place))
    }

    /// Tells whether the page says of a key that it is not there, if it does not name it.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        self.since.is_some() && *self.range.lo <= *key && (self.range.hi.is_empty() || *key < *self.range.hi)
    }

    /// Returns the records of a torn message that are whole, each with its key.
    fn proven_records(&self, kind: LogKind, body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        match (kind, change(body)) {
            (LogKind::Page { .. }, _) => torn_page::records(body),
            (_, Some((rest, Some(value)))) => {
                let key = self.proven_key(rest, |key| codec::layout_of(key, value).is_some());
                key.map(|key| (key, value.to_vec())).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the whole key under which a value proves itself.
    fn proven_key(&self, rest: &[u8], proves: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let of_others = || self.others.iter().find_map(|range| range.proven_key(rest, &proves));
        self.range.proven_key(rest, &proves).or_else(of_others)
    }

    /// Returns all that the page says, in the order of keys, and how many values do not prove themselves.
    pub(super) fn statements(
        &self,
        reader: &mut BodyReader,
        all: &[FoundMessage],
    ) -> io::Result<(BTreeMap<Vec<u8>, Statement>, u64)> {
        let (mut said, mut unproven) = (BTreeMap::new(), 0);
        let base = self.base.map(|at| Ok::<_, io::Error>((all[at].lsn, reader.read(&all[at])?)));
        if let Some((lsn, Some(body))) = base.transpose()?
            && let Some((range, PageItems::Leaf(items))) = page(&body)
        {
            for (rest, value) in items {
                let (key, value) = (range.key(rest), Some(value.to_vec()));
                said.insert(key, Statement { lsn, value });
            }
        }
        for message in &all[self.changes.clone()] {
            if message.is_torn {
                let Some(body) = reader.read(message)? else { continue };
                let proven = self.proven_records(message.kind, &body).into_iter();
                said.extend(
                    proven.map(|(key, value)| (key, Statement { lsn: message.lsn, value: Some(value) })),
                );
                continue;
            }
            if !matches!(message.kind, LogKind::Link { .. }) {
                continue;
            }
            let Some(body) = reader.read(message)? else { continue };
            let key = match change(&body) {
                None => continue,
                // Nothing proves which key it is.
                Some((_, Some([]))) if self.is_moved && self.base.is_none() => continue,
                Some((rest, Some([]))) => Some(self.range.key(rest)),
                Some((rest, Some(value))) => {
                    self.proven_key(rest, |key| codec::layout_of(key, value).is_some())
                }
                Some((rest, None)) => {
                    let known = self.proven_key(rest, |key| said.contains_key(key));
                    Some(known.unwrap_or_else(|| self.range.key(rest)))
                }
            };
            let value = change(&body).and_then(|(_, value)| value.map(<[u8]>::to_vec));
            match key {
                Some(key) => drop(said.insert(key, Statement { lsn: message.lsn, value })),
                None => unproven += 1,
            }
        }
        // Pages are read in this order.
        let said = said.split_off(&self.from);
        Ok((said, unproven))
    }
}
