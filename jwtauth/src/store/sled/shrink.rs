//! Writes a store anew without the free space in its files: one that nobody has open, and one that is in use.
//!
//! One that is in use goes on with its changes while records are copied. Then changes wait until what has
//! changed meanwhile was copied too, the new database was read once, and it is open in the place of the old
//! one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::compact_store::{CompactStore, Compaction};
use super::super::requests::StoreFuture;
use super::SledStore;
use super::disk::Disk;
use super::explain::explain;
use super::files;
use super::files::swap::OldFiles;
use super::rebuild::{BATCH, Rebuild};
use super::sled_config::SledConfig;
use super::startup::Opened;
use super::tree_copy::TreeCopy;
use crate::error::StoreError;

/// How much of the disk is left free for the store that is in use, in bytes.
const RESERVE: u64 = 64 * 1024 * 1024;

impl CompactStore for SledStore {
    fn compact(&self) -> StoreFuture<'_, Compaction> {
        Box::pin(async {
            let before = files::occupied(&self.reader.path);
            let mut rebuild = self.writer.submit(|disk| disk.begin_rebuild()).await?;
            let mut copy = TreeCopy::begin(self).await?;
            while let Some(records) = copy.some().await? {
                has_room(&self.reader.path)?;
                let taken = tokio::task::spawn_blocking(move || rebuild.take(&records).map(|()| rebuild));
                rebuild = taken.await.unwrap_or(Err(StoreError::Closed))?;
            }
            let follower = copy.follower();
            let exchanged = move |disk: &mut Disk| disk.exchange(rebuild, |reader| reader.changed(&follower));
            self.writer.submit(exchanged).await?;
            let compaction = Compaction { before, after: files::occupied(&self.reader.path) };
            let Compaction { before, after } = compaction;
            tracing::info!(target: "jwtauth", path = ?self.reader.path, before, after, "the session store was written anew without its free space");
            Ok(compaction)
        })
    }
}

/// Fails before the disk is full: the store that is in use needs some of it.
fn has_room(path: &Path) -> Result<(), StoreError> {
    match fs2::available_space(path) {
        Ok(free) if free < RESERVE => Err(StoreError::Io {
            path: path.into(),
            action: "write the store anew: the disk has no room for a second copy of what is in it",
            source: io::ErrorKind::StorageFull.into(),
        }),
        // Where the system does not say it, writing will.
        _ => Ok(()),
    }
}

/// The same of a store that nobody has open.
///
/// `look` is called with the number of records that were copied, each time some more were. If it returns
/// `false`, nothing was changed, and `None` is returned.
pub(in crate::store) fn compact(
    config: SledConfig,
    mut look: impl FnMut(u64) -> bool,
) -> Result<Option<Compaction>, StoreError> {
    let opened = Opened::open(config.absolute()?)?;
    let path = opened.state.config.path.clone();
    let before = files::occupied(&path);
    let mut rebuild = Rebuild::begin_locked(path.clone(), Arc::clone(&opened.state.lock))?;
    let mut copied = 0_u64;
    for entry in opened.tree.iter() {
        let (key, value) = entry.map_err(|error| explain(&path, "read", error))?;
        rebuild.copy(&key, &value)?;
        copied += 1;
        if copied.is_multiple_of(BATCH as u64) && !look(copied) {
            return Ok(None);
        }
    }
    let totals = opened.state.totals;
    // Its files are moved, and sled must not write among the new ones.
    drop(opened);
    rebuild.finish("compacted", OldFiles::Removed, |_| totals)?;
    Ok(Some(Compaction { before, after: files::occupied(&path) }))
}
