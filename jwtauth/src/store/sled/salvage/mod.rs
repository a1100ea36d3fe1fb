//! Reads sled's files without sled: what is whole in them is found, whatever else is damaged.
//!
//! sled refuses a database, or panics, when one byte of it is wrong, and it writes when it opens one. This
//! reads the files of sled 0.34.7 from below and writes nothing. Three steps: `log_scan` finds all whole
//! messages in the data file, `page_state` rebuilds each page of the one tree from them, and `key_merge` goes
//! through the keys. A message in which one bit is wrong is whole too: `bit_mend` finds out which. What the
//! disk cannot read counts as damaged (`log_file`).
//!
//! sled's snapshots, settings and index pages are not needed: each leaf page says itself which keys it holds.
//! Only the first key of a page that has lost its base is taken from an index page.
//!
//! # What it promises
//!
//! 1. Any bytes give an answer, in bounded time and memory: 32 bytes for each message of the log, the
//!    outlines of all pages, and the pages that reach over one key.
//! 2. Of a whole store it yields exactly the keys and values that sled yields.
//! 3. Of a damaged one it yields for each key the newest value that is whole and can be placed. That may be
//!    an older one than was acknowledged, and a key that was removed may be there again. Whoever asks
//!    compares with the totals of the store before anything is believed.
//! 4. A value that is whole anywhere in these files is found, if older states of pages are looked at too
//!    (`page_history`), and what was moved (`moved_messages`), and nothing newer is whole that speaks of its
//!    key. A block that was moved may part a value from its key: that of an account is found by its name
//!    (`loose_accounts`).

mod bit_mend;
mod key_merge;
mod log_bytes;
mod log_file;
mod log_message;
mod log_scan;
mod loose_accounts;
mod moved_messages;
mod page_bytes;
mod page_history;
mod page_state;
mod torn_page;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use self::log_file::LogFile;
use self::log_scan::{FoundMessage, LogScan};
use self::page_state::{BodyReader, FoundPage, PagePlace};
use super::diagnosis::FileDamage;
use super::files::{self, DATA, snapshots};
use super::tree_keys::account_of;
use crate::error::StoreError;
use crate::id::AccountId;

/// What can be read of sled's files.
#[derive(Debug)]
pub(in crate::store) struct Salvage {
    reader: BodyReader,
    scan: LogScan,
    /// Messages that stand elsewhere than they were written, once they are looked for.
    moved: Option<Vec<FoundMessage>>,
    /// Records of accounts that were found byte by byte, by their keys.
    loose: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(in crate::store) damage: FileDamage,
}

/// What counts of what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct SalvageReach {
    /// What is left of an incomplete batch at the end of the log. It was acknowledged only if it was complete
    /// once.
    pub(in crate::store) cut_batch: bool,
    /// States of pages that sled does not need any more, where nothing newer speaks of a key. Of a store that
    /// is not complete without them, they are all that is left of some records.
    pub(in crate::store) older_states: bool,
    /// With those: what stands elsewhere than it was written, where nothing else names a key.
    pub(in crate::store) moved: bool,
}

/// Up to this length, in bytes, a log whose segments have gaps counts as one that may lack some: a copy of it
/// takes a moment.
const LOOKED_AT_CLOSELY: u64 = 256 * 1024 * 1024;

/// What can be said of a log before sled opens it, which writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum LogState {
    Whole,
    /// Segments are missing behind the snapshot. They may have been free, which nothing tells, or be lost.
    MayLackSegments,
    /// Something is not as sled has written it, or not there: sled would cut the log.
    Damaged,
}

/// Looks through a log. One that is not there is whole.
///
/// Fails if the disk does not give back all of it: sled takes what it cannot read for the end of the log, and
/// writes over the rest.
pub(in crate::store) fn log_state(store: &Path) -> Result<LogState, StoreError> {
    let path = store.join(DATA);
    let failed = |source| files::refused(&path, "read the data file", source);
    let mut file = match LogFile::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LogState::Whole),
        file => file.map_err(failed)?,
    };
    let snapshot = snapshots::newest_position(store).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let scan = LogScan::run(&mut file, false, |_, _| ControlFlow::Continue(())).map_err(failed)?;
    readable(store, scan.as_ref().map_or(0, |scan| scan.unreadable_blocks))?;
    Ok(scan.map_or(LogState::Whole, |scan| {
        let is_damaged = scan.damaged_places + scan.damaged_segments > 0
            || scan.cut_batch.is_some()
            || scan.has_gap_in_tail()
            || snapshot.is_some_and(|position| scan.ends_before(position));
        let may_lack = len <= LOOKED_AT_CLOSELY && scan.has_gap_behind(snapshot.unwrap_or_default());
        match (is_damaged, may_lack) {
            (true, _) => LogState::Damaged,
            (false, true) => LogState::MayLackSegments,
            (false, false) => LogState::Whole,
        }
    }))
}

/// Fails if the disk does not give back all of a data file of a store.
pub(in crate::store) fn check_readable(store: &Path, data: &Path) -> Result<(), StoreError> {
    let read = || -> io::Result<u64> {
        let mut file = LogFile::open(data)?;
        let (len, mut chunk, mut start, mut unreadable) = (file.len()?, vec![0; CHUNK], 0, 0);
        while start < len {
            let part = usize::try_from((len - start).min(CHUNK as u64)).unwrap_or(CHUNK);
            unreadable += file.read(start, &mut chunk[..part])?;
            start += part as u64;
        }
        Ok(unreadable)
    };
    let unreadable = read().map_err(|source| files::refused(data, "read the data file", source))?;
    readable(store, unreadable)
}

/// How much is read at once, in bytes.
const CHUNK: usize = 512 * 1024;

fn readable(store: &Path, unreadable: u64) -> Result<(), StoreError> {
    match unreadable {
        0 => Ok(()),
        blocks => Err(StoreError::Unreadable { path: store.into(), blocks }),
    }
}

impl Salvage {
    /// Looks for all whole messages in the data file of a store. `progress` hears how many bytes of how many
    /// were read; `None` if it says that it is enough.
    pub(in crate::store) fn scan(
        store: &Path,
        data: &Path,
        progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> io::Result<Option<Self>> {
        let mut file = LogFile::open(data)?;
        let Some(mut scan) = LogScan::run(&mut file, true, progress)? else { return Ok(None) };
        let damage = FileDamage {
            segments: scan.segments,
            damaged_segments: scan.damaged_segments,
            damaged_places: scan.damaged_places,
            unreadable_blocks: scan.unreadable_blocks,
            is_cut: scan.cut_batch.is_some(),
            ..FileDamage::default()
        };
        let mends = std::mem::take(&mut scan.mends);
        let reader = BodyReader::new(file, store, mends);
        Ok(Some(Self { reader, scan, moved: None, loose: BTreeMap::new(), damage }))
    }

    /// Tells whether the log does not reach up to where sled has read it once.
    pub(in crate::store) fn ends_before_snapshot(&self, store: &Path) -> io::Result<bool> {
        Ok(snapshots::newest_position(store)?.is_some_and(|position| self.scan.ends_before(position)))
    }

    /// Looks for the records of accounts of which only the names are known, or the keys in torn pages, if
    /// nobody knows them. [`each`](Self::each) has them from then on. Returns whether there are any.
    /// `progress` hears how many bytes were looked through, and may say that it is enough.
    pub(in crate::store) fn find_accounts(
        &mut self,
        lost: &[(AccountId, String)],
        is_known: impl Fn(&AccountId) -> bool,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<(), bool>> {
        if self.find_moved(progress)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut nameless = BTreeSet::new();
        for message in self.scan.messages.iter().chain(self.moved.iter().flatten()) {
            if message.is_torn
                && let Some(body) = self.reader.read(message)?
            {
                nameless.extend(page_bytes::torn_keys(&body).iter().filter_map(|key| account_of(key)));
            }
        }
        nameless.retain(|id| !is_known(id) && lost.iter().all(|(lost, _)| lost != id));
        let nameless: Vec<_> = nameless.into_iter().take(loose_accounts::MAX_NAMELESS).collect();
        if lost.is_empty() && nameless.is_empty() {
            return Ok(ControlFlow::Continue(false));
        }
        let Some(loose) = loose_accounts::find(&mut self.reader, lost, &nameless, progress)? else {
            return Ok(ControlFlow::Break(()));
        };
        self.loose = loose;
        Ok(ControlFlow::Continue(!self.loose.is_empty()))
    }

    /// Looks for what stands elsewhere than it was written, once. `progress` likewise.
    pub(in crate::store) fn find_moved(
        &mut self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        if self.moved.is_none() {
            self.moved = moved_messages::find(self.reader.file(), &self.scan.messages, progress)?;
        }
        Ok(if self.moved.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// Calls `look` with each key and its newest whole value, in the order of keys, until it has seen enough.
    pub(in crate::store) fn each(
        &mut self,
        reach: SalvageReach,
        mut look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> io::Result<()> {
        // Of these keys nothing else has a record.
        let loose = std::mem::take(&mut self.loose);
        let (mut rest, mut is_over) = (loose.iter().peekable(), false);
        let read = self.each_placed(reach, |key, value| {
            let mut before = std::iter::from_fn(|| rest.next_if(|(loose, _)| loose[..] <= *key));
            let mut last = None;
            let went_on = before.try_for_each(|(loose, record)| {
                last = Some(loose);
                look(loose, record)
            });
            let is_there = last.is_some_and(|last| last[..] == *key);
            let went_on = if is_there || went_on.is_break() { went_on } else { look(key, value) };
            is_over = went_on.is_break();
            went_on
        });
        if !is_over {
            let _ = rest.try_for_each(|(loose, record)| look(loose, record));
        }
        self.loose = loose;
        read
    }

    fn each_placed(
        &mut self,
        reach: SalvageReach,
        look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if reach.moved {
            let _ = self.find_moved(&mut |_| ControlFlow::Continue(()))?;
        }
        let cut = self.scan.cut_batch.filter(|_| !reach.cut_batch);
        let mut messages: Cow<'_, [FoundMessage]> = match cut {
            None => Cow::Borrowed(&self.scan.messages),
            Some(cut) => self.scan.messages.iter().filter(|message| message.lsn < cut).copied().collect(),
        };
        if reach.older_states {
            messages.to_mut().extend(self.reader.lone_files(&self.scan.messages)?);
            if reach.moved {
                messages.to_mut().extend(self.moved.iter().flatten());
            }
            messages.to_mut().sort_by_key(|message| (message.page, message.is_moved, message.lsn));
            let places = page_history::places(&mut self.reader, &messages)?;
            return key_merge::each_key(&places, &mut self.reader, &messages, look).map(drop);
        }
        let (places, damaged) = places(&mut self.reader, &messages)?;
        self.damage.pages = places.len() as u64;
        self.damage.damaged_pages = damaged;
        self.damage.lost_changes = key_merge::each_key(&places, &mut self.reader, &messages, look)?;
        Ok(())
    }
}

/// Finds all leaf pages, in the order of their first keys, and counts those whose newest state is damaged.
fn places(reader: &mut BodyReader, messages: &[FoundMessage]) -> io::Result<(Vec<PagePlace>, u64)> {
    let (mut places, mut damaged) = (Vec::new(), 0);
    let (mut first_keys, mut without_base) = (HashMap::new(), Vec::new());
    let mut start = 0;
    for of_page in messages.chunk_by(|one, two| one.page == two.page) {
        let (page, range) = (of_page[0].page, start..start + of_page.len());
        start = range.end;
        let (found, broken) = page_state::find(reader, messages, range)?;
        match found {
            FoundPage::Leaf(place) => {
                damaged += u64::from(broken > 0);
                places.push(place);
            }
            FoundPage::Index(pages) => first_keys.extend(pages.into_iter().map(|(key, page)| (page, key))),
            FoundPage::WithoutBase { changes, is_free } => without_base.push((page, changes, is_free)),
            FoundPage::Nothing => damaged += u64::from(broken > 0),
        }
    }
    for (page, changes, is_free) in without_base {
        damaged += u64::from(!is_free);
        // Without its first key, its changes still say their whole keys if they leave nothing out.
        let first = first_keys.remove(&page).unwrap_or_default();
        places.push(PagePlace::without_base(changes, first, is_free));
    }
    places.sort_by(|one, two| one.from.cmp(&two.from));
    Ok((places, damaged))
}

#[cfg(test)]
mod tests;
