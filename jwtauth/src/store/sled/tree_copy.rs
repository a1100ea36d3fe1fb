//! A copy of all records while they change. The store stands still for the last ones, so that the end is one
//! moment. How keys are read is in `key_copy`.

use std::fmt;
use std::sync::Arc;

use super::super::codec::{self, RecordError, Totals};
use super::super::requests::StoreFuture;
use super::super::whole_store::{CopiedRecord, CopyPage, CopyTotals, StoreCopy, WholeStore, is_over};
use super::disk::Disk;
use super::explain::unreadable;
use super::follow::Followed;
use super::key_copy::{KeyCopy, TreeEntries};
use super::reader::StoreReader;
use super::writer::Writer;
use super::{SledStore, tree_keys};
use crate::error::StoreError;

pub(super) struct TreeCopy {
    reader: Arc<StoreReader>,
    writer: Arc<Writer<Disk>>,
    expected: CopyTotals,
    /// `None` while a page is read, and if that came to no end.
    keys: Option<KeyCopy>,
    is_over: bool,
}

impl fmt::Debug for TreeCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeCopy").field("path", &self.reader.path).finish_non_exhaustive()
    }
}

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
    fn begin(store: &SledStore) -> impl Future<Output = Result<Self, StoreError>> + Send + use<> {
        let (reader, writer) = (Arc::clone(&store.reader), Arc::clone(&store.writer));
        async move {
            // What is wrong in the store must not pass for right in a copy.
            reader.verified().await?;
            let begun = writer.submit(|disk| {
                disk.ready()?;
                Ok((disk.followers.add(Followed::Records), disk.totals()))
            });
            let (follower, totals) = begun.await?;
            let keys = Some(KeyCopy::new(follower, &tree_keys::records()));
            Ok(Self { reader, writer, expected: totals.into(), keys, is_over: false })
        }
    }

    async fn page(&mut self) -> Result<CopyPage, StoreError> {
        let mut keys = self.keys.take().ok_or_else(is_over)?;
        let reader = Arc::clone(&self.reader);
        // Away from the threads that serve requests.
        let reading = tokio::task::spawn_blocking(move || {
            let entries = keys.some(&reader)?;
            Ok((keys, entries.map(|entries| reader.copied(entries)).transpose()?))
        });
        let (keys, records) = reading.await.unwrap_or(Err(StoreError::Closed))?;
        match records {
            Some(records) => {
                self.keys = Some(keys);
                Ok(CopyPage::new(records, None))
            }
            None => self.last(keys).await,
        }
    }

    /// Ends the copy. Changes wait for this.
    async fn last(&self, keys: KeyCopy) -> Result<CopyPage, StoreError> {
        let ended = self.writer.submit(move |disk| {
            disk.ready()?;
            // What is in the group is not in the tree yet, nor in these totals.
            Ok((disk.reader.changed(&keys.follower())?, disk.totals()))
        });
        let (entries, totals) = ended.await?;
        Ok(CopyPage::new(self.reader.copied(entries)?, Some(totals.into())))
    }
}

impl StoreReader {
    fn copied(&self, entries: TreeEntries) -> Result<Vec<CopiedRecord>, StoreError> {
        let entries = entries.into_iter();
        entries.map(|(key, bytes)| self.copied_record(&key, bytes.as_deref())).collect()
    }

    fn copied_record(&self, key: &[u8], bytes: Option<&[u8]>) -> Result<CopiedRecord, StoreError> {
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
}

impl From<Totals> for CopyTotals {
    fn from(totals: Totals) -> Self {
        let Totals {
            changes,
            sessions,
            accounts,
            latest,
            ahead,
            sum: _,
            sum_of_accounts: _,
            sum_of_values: _,
            identity: _,
        } = totals;
        Self { changes, sessions, accounts, latest, ahead, unreadable: 0 }
    }
}
