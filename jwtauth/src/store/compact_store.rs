//! Giving free space back while a store is in use: [`CompactStore`].

use std::fmt;

use super::requests::StoreFuture;

/// What a compaction has done, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Compaction {
    /// How large the files of the store were.
    pub before: u64,
    /// How large they are.
    pub after: u64,
}

impl Compaction {
    /// Says how large the files were, and are.
    #[must_use]
    pub const fn new(before: u64, after: u64) -> Self {
        Self { before, after }
    }
}

/// Writes itself anew without what is free in its files, while it is in use.
pub trait CompactStore: fmt::Debug + Send + Sync + 'static {
    /// Does it. What was answered before is not lost, whenever the process is killed. If it fails, the store
    /// is as it was. Changes wait for its last part, and requests may be answered with an error meanwhile.
    fn compact(&self) -> StoreFuture<'_, Compaction>;
}
