//! Makes the files of a store as small as what is in it.

use std::ops::ControlFlow;

use super::super::compact_store::Compaction;
use super::super::sled::{SledConfig, shrink};
use super::walk::{OperateError, Progress};

/// Writes a store anew, without what is free in its files. Nobody may have it open: for one that is in use
/// there is [`CompactStore`](crate::store::CompactStore).
///
/// The old files stay the store until the new ones are on disk and were read once. Then they are removed. A
/// kill or a power cut leaves one or the other. Meanwhile the disk needs room for both. If the new ones would
/// not be smaller, the old ones stay: then [`Compaction::after`] is [`Compaction::before`].
///
/// It blocks, so call it where a thread may wait, such as in `tokio::task::spawn_blocking`. `progress` is
/// called from time to time, with the number of keys: some three for each session. It can stop the
/// compaction, which changes nothing then.
///
/// # Errors
///
/// - [`OperateError::Stopped`]: `progress` said so.
/// - [`OperateError::Store`]: what [`SledStore::open`](crate::SledStore::open) says, or the disk is full.
///   Nothing was changed.
pub fn compact(
    config: impl Into<SledConfig>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<Compaction, OperateError> {
    let look = |done, of| progress(Progress { done, of: Some(of), bytes: 0 }).is_continue();
    shrink::compact(config.into(), look)?.ok_or(OperateError::Stopped)
}
