//! Writes a store anew without the free space in its files: one that nobody has open. One that is in use is
//! the work of `compactor`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::compact_store::Compaction;
use super::explain::{explain, of_panic};
use super::files;
use super::files::swap::OldFiles;
use super::rebuild::{BATCH, Rebuild};
use super::sled_config::SledConfig;
use super::startup::Opened;
use crate::error::StoreError;

/// Does it.
///
/// `look` is called with the number of keys that were copied, and of how many, each time some more were. If
/// it returns `false`, nothing was changed, and `None` is returned.
pub(in crate::store) fn compact(
    config: SledConfig,
    mut look: impl FnMut(u64, u64) -> bool,
) -> Result<Option<Compaction>, StoreError> {
    let config = config.absolute()?;
    let path = config.path.clone();
    // Where a disk fails sled panics, also when it is closed.
    let done = catch_unwind(AssertUnwindSafe(|| copy(config, &mut look)));
    done.unwrap_or_else(|panic| Err(of_panic(&path, "read", &*panic)))
}

/// How long the new files may take to become smaller, if they were begun then.
pub(super) fn settling(begun: Instant) -> Duration {
    begun.elapsed().max(Duration::from_secs(5))
}

fn copy(
    config: SledConfig,
    look: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Compaction>, StoreError> {
    // What is wrong must be noticed in these files, not in new ones.
    let opened = Opened::open(config.verify_first(u64::MAX))?;
    let path = opened.state.config.path.clone();
    let (before, begun) = (files::occupied(&path), Instant::now());
    let mut rebuild = Rebuild::begin_locked(path.clone(), Arc::clone(&opened.state.lock))?;
    let (all, mut copied) = (opened.tree.len() as u64, 0_u64);
    for entry in opened.tree.iter() {
        let (key, value) = entry.map_err(|error| explain(&path, "read", error))?;
        rebuild.copy(&key, Some(&value))?;
        copied += 1;
        if copied.is_multiple_of(BATCH as u64) && !look(copied, all) {
            return Ok(None);
        }
    }
    let totals = opened.state.totals;
    // Its files are moved, and sled must not write among the new ones.
    drop(opened);
    rebuild.settle(totals, settling(begun))?;
    rebuild.check(totals, &|| true)?;
    rebuild.seal_again(totals)?;
    if files::occupied(&path.join(files::NEW)) >= before {
        return Ok(Some(Compaction { before, after: before }));
    }
    rebuild.put_in_place("compacted", OldFiles::Removed)?;
    Ok(Some(Compaction { before, after: files::occupied(&path) }))
}
