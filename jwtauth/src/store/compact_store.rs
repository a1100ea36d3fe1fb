//! Giving free space back while a store is in use: [`CompactStore`].

use std::fmt;

use super::requests::StoreFuture;

/// What a compaction has done, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Compaction {
    /// How large the files of the store were.
    pub before: u64,
    /// How large they are: as before, if a copy of what is in them would not be smaller. Then nothing was
    /// changed.
    pub after: u64,
}

impl Compaction {
    /// Says how large the files were, and are.
    #[must_use]
    pub const fn new(before: u64, after: u64) -> Self {
        Self { before, after }
    }
}

/// What the files of a store take, and what was done about it since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSpace {
    /// How many bytes the files have. `None` if the store does not say it.
    pub bytes: Option<u64>,
    /// How often it was written anew, by itself or because somebody asked for it.
    pub compactions: u64,
    /// What the last of these has done.
    pub last: Option<Compaction>,
}

/// Writes itself anew without what is free in its files, while it is in use.
pub trait CompactStore: fmt::Debug + Send + Sync + 'static {
    /// Does it. What was answered before is not lost, whenever the process is killed. If it fails, the store
    /// is as it was. Changes and reads may wait for its last part.
    fn compact(&self) -> StoreFuture<'_, Compaction>;

    /// Says what the files take. Default: nothing is known.
    fn space(&self) -> StoreFuture<'_, StoreSpace> {
        Box::pin(std::future::ready(Ok(StoreSpace::default())))
    }
}
