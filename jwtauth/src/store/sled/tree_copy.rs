//! A copy of the whole tree while it changes: first each page of records, then those that have changed
//! meanwhile, again and again until few are left, and the last ones on the thread of the writer. The store
//! stands still for these, so that the end is one moment.
//!
//! sled has no snapshots. What a page holds may change while the next one is read, so its key is noted by a
//! [`Follower`], and the record is read once more.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::super::codec::{self, RecordError, Totals};
use super::super::requests::StoreFuture;
use super::super::whole_store::{CopiedRecord, CopyPage, CopyTotals, StoreCopy, WholeStore, is_over};
use super::disk::Disk;
use super::explain::unreadable;
use super::follow::{Follower, Lost};
use super::reader::StoreReader;
use super::writer::Writer;
use super::{SledStore, tree_keys};
use crate::error::StoreError;

/// How many records a page has.
const PAGE: usize = 256;
/// How many changed records are few enough to be read on the writer's thread: less than 1 ms.
const FEW: usize = 256;
/// More notes than these are taken before the copy goes on.
const MANY: usize = 16 * PAGE;
/// How often the copy waits for few changes. Under a load that never lets up the last step takes longer.
const ROUNDS: usize = 1_000;

pub(super) struct TreeCopy {
    reader: Arc<StoreReader>,
    writer: Arc<Writer<Disk>>,
    follower: Arc<Follower>,
    expected: CopyTotals,
    /// What is still to be read once: ranges of keys, the last one first.
    rest: Vec<Range<Vec<u8>>>,
    rounds: usize,
    is_over: bool,
}

impl fmt::Debug for TreeCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeCopy").field("path", &self.reader.path).finish_non_exhaustive()
    }
}

/// Keys with what stands there.
type TreeEntries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl WholeStore for SledStore {
    fn copy(&self) -> StoreFuture<'_, Box<dyn StoreCopy>> {
        let begun = TreeCopy::begin(self);
        Box::pin(async move { Ok(Box::new(begun.await?) as Box<dyn StoreCopy>) })
    }
}

impl StoreCopy for TreeCopy {
    fn expected(&self) -> CopyTotals {
        self.expected
    }

    fn next(&mut self) -> StoreFuture<'_, CopyPage> {
        Box::pin(async {
            if self.is_over {
                return Err(is_over());
            }
            // Whatever ends this, an error too, it does not go on.
            self.is_over = true;
            let page = self.page().await?;
            self.is_over = page.end.is_some();
            Ok(page)
        })
    }
}

impl TreeCopy {
    pub(super) fn begin(store: &SledStore) -> impl Future<Output = Result<Self, StoreError>> + Send + use<> {
        let (reader, writer) = (Arc::clone(&store.reader), Arc::clone(&store.writer));
        let begun = writer.submit(|disk| {
            disk.ready()?;
            Ok((disk.followers.add(), disk.totals()))
        });
        async move {
            let (follower, totals) = begun.await?;
            Ok(Self {
                reader,
                writer,
                follower,
                expected: totals.into(),
                rest: tree_keys::records().into_iter().rev().collect(),
                rounds: 0,
                is_over: false,
            })
        }
    }

    pub(super) fn follower(&self) -> Arc<Follower> {
        Arc::clone(&self.follower)
    }

    async fn page(&mut self) -> Result<CopyPage, StoreError> {
        match self.some().await? {
            Some(records) => Ok(CopyPage::new(records, None)),
            None => self.last().await,
        }
    }

    /// Returns some records. `None` if only those are left that have changed last.
    pub(super) async fn some(&mut self) -> Result<Option<Vec<CopiedRecord>>, StoreError> {
        let noted = self.follower.len();
        let is_behind = if self.rest.is_empty() {
            self.rounds += 1;
            noted > FEW && self.rounds <= ROUNDS
        } else {
            noted > MANY
        };
        if is_behind {
            let keys = self.follower.take(PAGE).map_err(|lost| self.reader.lost(lost))?;
            let entries = self.read(move |reader| reader.entries_of(keys)).await?;
            return self.reader.copied(entries).map(Some);
        }
        let Some(range) = self.rest.last().cloned() else { return Ok(None) };
        let entries = self.read(move |reader| reader.entries_in(range)).await?;
        match (entries.last(), self.rest.last_mut()) {
            (Some((key, _)), Some(range)) if entries.len() == PAGE => range.start = [&key[..], &[0]].concat(),
            _ => drop(self.rest.pop()),
        }
        self.reader.copied(entries).map(Some)
    }

    /// Ends the copy. Changes wait for this.
    async fn last(&self) -> Result<CopyPage, StoreError> {
        let follower = Arc::clone(&self.follower);
        let ended = self.writer.submit(move |disk| {
            disk.ready()?;
            // What is in the group is not in the tree yet, nor in these totals.
            Ok((disk.reader.changed(&follower)?, disk.totals()))
        });
        let (records, totals) = ended.await?;
        Ok(CopyPage::new(records, Some(totals.into())))
    }

    /// Reads away from the threads that serve requests: pages may come from the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&StoreReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || read(&reader)).await.unwrap_or(Err(StoreError::Closed))
    }
}

impl StoreReader {
    /// Returns all that has changed and was not taken before. For the thread of the writer.
    pub(super) fn changed(&self, follower: &Follower) -> Result<Vec<CopiedRecord>, StoreError> {
        let keys = follower.take(usize::MAX).map_err(|lost| self.lost(lost))?;
        self.copied(self.entries_of(keys)?)
    }

    fn entries_in(&self, range: Range<Vec<u8>>) -> Result<TreeEntries, StoreError> {
        self.read(|tree| {
            let entries = tree.range(range).take(PAGE);
            entries.map(|entry| entry.map(|(key, bytes)| (key.to_vec(), Some(bytes.to_vec())))).collect()
        })
    }

    fn entries_of(&self, keys: Vec<Vec<u8>>) -> Result<TreeEntries, StoreError> {
        self.read(|tree| {
            let entries = keys.into_iter();
            entries
                .map(|key| {
                    let bytes = tree.get(&key)?;
                    Ok((key, bytes.map(|bytes| bytes.to_vec())))
                })
                .collect()
        })
    }

    fn copied(&self, entries: TreeEntries) -> Result<Vec<CopiedRecord>, StoreError> {
        let entries = entries.into_iter();
        entries.map(|(key, bytes)| self.copied_record(&key, bytes.as_deref())).collect()
    }

    fn copied_record(&self, key: &[u8], bytes: Option<&[u8]>) -> Result<CopiedRecord, StoreError> {
        if cfg!(not(feature = "accounts")) && key.starts_with(tree_keys::ACCOUNTS) {
            return Err(StoreError::Backend(
                "the store holds accounts, and this program was built without the feature `accounts`, so a copy would lose them: build it with that feature"
                    .into(),
            ));
        }
        // A damaged event keeps nobody from a copy: the hashes show that it is missing.
        let is_of_trail = key.starts_with(tree_keys::EVENTS);
        match bytes.map(|bytes| codec::decode_record(key, bytes)) {
            Some(Ok(record)) => Ok(CopiedRecord::Kept(record)),
            Some(Err(error)) if !is_of_trail || error != RecordError::Damaged => {
                Err(unreadable(&self.path, error))
            }
            Some(Err(_)) | None => codec::decode_key(key)
                .map(CopiedRecord::Removed)
                .ok_or_else(|| self.corrupt("it has a key of no kind")),
        }
    }

    fn lost(&self, lost: Lost) -> StoreError {
        match lost {
            Lost::Reopened => self.unavailable(),
            Lost::Behind => StoreError::Backend(
                "more has changed in the store than a copy can follow: what it is written to is too slow"
                    .into(),
            ),
        }
    }
}

impl From<Totals> for CopyTotals {
    fn from(totals: Totals) -> Self {
        let Totals { changes, sessions, accounts, latest, ahead, sum: _, sum_of_accounts: _ } = totals;
        Self { changes, sessions, accounts, latest, ahead }
    }
}
