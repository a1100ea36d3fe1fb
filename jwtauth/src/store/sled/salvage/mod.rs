//! Reads sled's files without sled: what is whole in them is found, whatever else is damaged.
//!
//! sled refuses a database, or panics, when one byte of it is wrong, and it writes when it opens one. This
//! reads the files of sled 0.34.7 from below and writes nothing. Three steps: `log_scan` finds all whole
//! messages in the data file, `page_state` rebuilds each page of the one tree from them, and `key_merge` goes
//! through the keys. A message in which one bit is wrong is whole too: `bit_mend` finds out which.
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

mod bit_mend;
mod key_merge;
mod log_bytes;
mod log_message;
mod log_scan;
mod page_bytes;
mod page_state;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use self::log_scan::{FoundMessage, LogScan};
use self::page_state::{BodyReader, FoundPage, PagePlace};
use super::diagnosis::FileDamage;
use super::files::DATA;

/// What can be read of sled's files.
#[derive(Debug)]
pub(in crate::store) struct Salvage {
    reader: BodyReader,
    scan: LogScan,
    pub(in crate::store) damage: FileDamage,
}

/// Tells whether something in a log is not as sled has written it, so that sled would cut it there.
pub(in crate::store) fn looks_damaged(store: &Path) -> io::Result<bool> {
    let mut file = File::open(store.join(DATA))?;
    let scan = LogScan::run(&mut file, false, |_, _| ControlFlow::Continue(()))?;
    Ok(scan.is_some_and(|scan| scan.damaged_places + scan.damaged_segments > 0 || scan.cut_batch.is_some()))
}

impl Salvage {
    /// Looks for all whole messages in the data file of a store. `progress` hears how many bytes of how many
    /// were read; `None` if it says that it is enough.
    pub(in crate::store) fn scan(
        store: &Path,
        data: &Path,
        progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> io::Result<Option<Self>> {
        let mut file = File::open(data)?;
        let Some(mut scan) = LogScan::run(&mut file, true, progress)? else { return Ok(None) };
        let damage = FileDamage {
            segments: scan.segments,
            damaged_segments: scan.damaged_segments,
            damaged_places: scan.damaged_places,
            is_cut: scan.cut_batch.is_some(),
            ..FileDamage::default()
        };
        let mends = std::mem::take(&mut scan.mends);
        Ok(Some(Self { reader: BodyReader::new(file, store, mends), scan, damage }))
    }

    /// Calls `look` with each key and its newest whole value, in the order of keys, until it has seen enough.
    ///
    /// `with_cut_batch` takes what is left of an incomplete batch at the end of the log, which was
    /// acknowledged only if it was complete once.
    pub(in crate::store) fn each(
        &mut self,
        with_cut_batch: bool,
        look: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let cut = self.scan.cut_batch.filter(|_| !with_cut_batch);
        let cut_messages: Vec<FoundMessage>;
        let messages = match cut {
            None => &self.scan.messages,
            Some(cut) => {
                let kept = self.scan.messages.iter().filter(|message| message.lsn < cut);
                cut_messages = kept.copied().collect();
                &cut_messages
            }
        };
        let (places, damaged) = places(&mut self.reader, messages)?;
        self.damage.pages = places.len() as u64;
        self.damage.damaged_pages = damaged;
        self.damage.lost_changes = key_merge::each_key(&places, &mut self.reader, messages, look)?;
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
    places.sort_by(|one, two| one.range.lo.cmp(&two.range.lo));
    Ok((places, damaged))
}

#[cfg(test)]
mod tests;
