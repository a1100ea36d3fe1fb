//! The thread that writes a store anew without its free space, while the store is in use: when an operator
//! asks for it, and when the writer sees that the files are too large for what is in them (`growth`).
//!
//! All keys are copied while the store changes, then those that have changed meanwhile. What was copied until
//! one moment is read once more, and compared with the totals of that moment. Then what has changed since is
//! copied until little is left, and only for that the writer stands still, puts the new files in the place of
//! the old ones and opens them. Readers that come then wait for it.
//!
//! # Invariants
//!
//! 1. One compaction at a time. Whatever ends one before its exchange leaves the store as it was.
//! 2. The thread ends before the writer does. So the directory is free when the last handle is dropped.
//! 3. A copy of the store that somebody makes is not cut off: the exchange waits for its end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::super::compact_store::{CompactStore, Compaction, StoreSpace};
use super::super::requests::StoreFuture;
use super::compaction_orders::{CompactionOrders, Order};
use super::disk::Disk;
use super::growth::RetryPause;
use super::key_copy::{KeyCopy, TreeEntries};
use super::reader::StoreReader;
use super::rebuild::Rebuild;
use super::record_check::CheckStage;
use super::shrink::settling;
use super::writer::{JobSender, Writer};
use super::{SledStore, files, tree_keys};
use crate::error::StoreError;
use crate::shutdown::is_asked;

/// How much of the disk is left free at most for the store that is in use, in bytes. One that is smaller gets
/// as much as it has.
const RESERVE: u64 = 64 * 1024 * 1024;
/// How many keys are looked at before others have their turn.
const PAGE: usize = 1_024;
/// How long others have their turn at most.
const TURN: Duration = Duration::from_millis(10);
/// How long to wait for somebody who copies the store, before it is tried again.
const COPIED: Duration = Duration::from_millis(50);
/// How long nothing is tried after a compaction that nobody asked for, if the disk has no room.
const FULL: Duration = Duration::from_secs(60 * 60);

/// The handle of the thread. Dropping it waits for the end.
#[derive(Debug)]
pub(super) struct Compactor {
    orders: Arc<CompactionOrders>,
    thread: Option<JoinHandle<()>>,
}

impl Compactor {
    pub(super) fn start(
        reader: Arc<StoreReader>,
        writer: &Writer<Disk>,
        orders: Arc<CompactionOrders>,
    ) -> io::Result<Self> {
        let jobs = writer.job_sender().ok_or(io::ErrorKind::BrokenPipe)?;
        let work = Work { reader, jobs, orders: Arc::clone(&orders) };
        let thread = thread::Builder::new().name("jwtauth-compact".into()).spawn(move || work.run())?;
        Ok(Self { orders, thread: Some(thread) })
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.orders.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl CompactStore for SledStore {
    fn compact(&self) -> StoreFuture<'_, Compaction> {
        let asked = self.compactor.orders.ask();
        Box::pin(async move {
            match asked {
                Some(outcome) => outcome.await.unwrap_or(Err(StoreError::Closed)),
                None => Err(StoreError::BeingCompacted { path: self.reader.path.clone() }),
            }
        })
    }

    fn space(&self) -> StoreFuture<'_, StoreSpace> {
        let path = self.reader.path.clone();
        Box::pin(async move {
            let occupied = tokio::task::spawn_blocking(move || files::occupied(&path)).await;
            let (compactions, last) = self.compactor.orders.done();
            Ok(StoreSpace { bytes: occupied.ok(), compactions, last })
        })
    }
}

/// Tells whether a compaction is still wanted.
type GoesOn<'a> = &'a dyn Fn() -> bool;

struct Work {
    reader: Arc<StoreReader>,
    jobs: JobSender<Disk>,
    orders: Arc<CompactionOrders>,
}

impl Work {
    fn run(&self) {
        let goes_on = || !self.orders.is_over() && !is_asked();
        let mut pause = RetryPause::default();
        while let Some(order) = self.orders.next() {
            match order {
                Order::Asked(asker) => {
                    let goes_on = || !asker.is_closed() && goes_on();
                    let done = self.guarded(|| self.verified(&goes_on).and_then(|()| self.compact(&goes_on)));
                    if done.is_ok() {
                        pause = RetryPause::default();
                    }
                    // Whoever hears of it may ask again.
                    self.orders.free();
                    let _ = asker.send(done);
                }
                Order::Due => {
                    match self.guarded(|| self.compact_if_due(&goes_on)) {
                        Ok(()) => pause = RetryPause::default(),
                        Err(error) if goes_on() => self.put_off(&error, &mut pause),
                        Err(_) => {}
                    }
                    self.orders.free();
                }
            }
        }
    }

    /// Runs something in which sled may panic.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(self.reader.corrupt("writing it anew panicked")))
    }

    fn put_off(&self, error: &StoreError, pause: &mut RetryPause) {
        let time = if is_full(error) { FULL } else { pause.next() };
        tracing::warn!(target: "jwtauth", path = ?self.reader.path, error = error as &dyn std::error::Error, ?time, "the session store has much free space in its files and cannot be written anew: it is tried again after this time");
        let _ = self.jobs.run(move |disk| {
            disk.growth.put_off(time);
            Ok(())
        });
    }

    /// Waits until every record was read: what is wrong must be noticed in these files, not in new ones.
    fn verified(&self, goes_on: GoesOn<'_>) -> Result<(), StoreError> {
        while self.reader.check.stage() == CheckStage::UnderWay {
            self.turn(goes_on)?;
            thread::sleep(COPIED);
        }
        self.reader.is_trusted()
    }

    /// Compacts the store if its files are too large for what is in them.
    fn compact_if_due(&self, goes_on: GoesOn<'_>) -> Result<(), StoreError> {
        self.verified(goes_on)?;
        let payload = self.payload(goes_on)?;
        if let Some(size) = self.jobs.run(move |disk| Ok(disk.new_size_if_due(payload)))? {
            // Nobody has asked for it, so the disk is not filled to see whether it fits.
            has_room(&self.reader.path, size)?;
            self.compact(goes_on)?;
        }
        Ok(())
    }

    /// Returns how many bytes all keys and values have, more or less: they change meanwhile.
    fn payload(&self, goes_on: GoesOn<'_>) -> Result<u64, StoreError> {
        let (mut range, mut payload) = (tree_keys::all(), 0);
        loop {
            let start = self.turn(goes_on)?;
            let (mut keys, mut last) = (0, None);
            self.reader.read(|tree| {
                for entry in tree.range(range.clone()).take(PAGE) {
                    let (key, value) = entry?;
                    payload += (key.len() + value.len()) as u64;
                    keys += 1;
                    last = Some(key);
                }
                Ok(())
            })?;
            match last {
                Some(key) if keys == PAGE => range.start = [&key[..], &[0]].concat(),
                _ => return Ok(payload),
            }
            rest_after(start);
        }
    }

    /// Fails if the work is not wanted any more. Returns the time.
    fn turn(&self, goes_on: GoesOn<'_>) -> Result<Instant, StoreError> {
        if goes_on() { Ok(Instant::now()) } else { Err(StoreError::Closed) }
    }

    fn compact(&self, goes_on: GoesOn<'_>) -> Result<Compaction, StoreError> {
        let (path, begun) = (&self.reader.path, self.turn(goes_on)?);
        let before = files::occupied(path);
        let (mut rebuild, follower) = self.jobs.run(|disk| disk.begin_rebuild())?;
        let mut copy = KeyCopy::new(Arc::clone(&follower), &[tree_keys::all()]);
        self.follow(&mut rebuild, &mut copy, goes_on)?;
        let (entries, totals) = self.jobs.run(move |disk| disk.changed_until_now(&follower))?;
        put(&mut rebuild, &entries)?;
        rebuild.settle(totals, settling(begun))?;
        rebuild.check(totals, goes_on)?;
        let (size, payload, now) =
            (files::occupied(&path.join(files::NEW)), rebuild.payload(), files::occupied(path));
        if size >= now {
            tracing::info!(target: "jwtauth", ?path, size, "the session store was not written anew: a copy of what is in it is not smaller");
            self.jobs.run(move |disk| {
                disk.growth.rewritten(size, payload, totals.records());
                Ok(())
            })?;
            return Ok(Compaction { before: now, after: now });
        }
        self.follow(&mut rebuild, &mut copy, goes_on)?;
        // All wait for the exchange, so it finds little that is not on disk.
        rebuild.sync()?;
        loop {
            self.follow(&mut rebuild, &mut copy, goes_on)?;
            let follower = copy.follower();
            match self.jobs.run(move |disk| disk.exchange(rebuild, &follower))? {
                None => break,
                // Somebody copies the store.
                Some(not_yet) => rebuild = not_yet,
            }
            thread::sleep(COPIED);
        }
        let compaction = Compaction { before, after: files::occupied(path) };
        self.orders.note(compaction);
        let Compaction { before, after } = compaction;
        tracing::info!(target: "jwtauth", ?path, before, after, took = ?begun.elapsed(), "the session store was written anew without its free space");
        Ok(compaction)
    }

    /// Copies until only a little is left that has changed last.
    fn follow(
        &self,
        rebuild: &mut Rebuild,
        copy: &mut KeyCopy,
        goes_on: GoesOn<'_>,
    ) -> Result<(), StoreError> {
        copy.go_on();
        loop {
            let start = self.turn(goes_on)?;
            has_room(&self.reader.path, 0)?;
            let Some(entries) = copy.some(&self.reader)? else { return Ok(()) };
            put(rebuild, &entries)?;
            if !copy.is_behind() {
                rest_after(start);
            }
        }
    }
}

fn put(rebuild: &mut Rebuild, entries: &TreeEntries) -> Result<(), StoreError> {
    entries.iter().try_for_each(|(key, value)| rebuild.copy(key, value.as_deref()))
}

/// Gives others as much time as the work since `start` took.
fn rest_after(start: Instant) {
    thread::sleep(start.elapsed().min(TURN));
}

/// Tells whether something failed because the disk, or what of it one may use, is full.
fn is_full(error: &StoreError) -> bool {
    let StoreError::Io { source, .. } = error else { return false };
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Fails if so many bytes more would fill the disk: the store that is in use needs some of it.
fn has_room(path: &Path, bytes: u64) -> Result<(), StoreError> {
    // Where the system does not say it, writing will.
    let Ok(free) = fs2::available_space(path) else { return Ok(()) };
    let reserve = files::occupied(path).min(RESERVE);
    let needed = bytes.saturating_add(reserve);
    if free >= needed {
        return Ok(());
    }
    let why = format!(
        "{free} bytes are free, and {needed} are needed: {reserve} of these stay free for the store that is in use, and the others are for a second copy of what is in it"
    );
    Err(StoreError::Io {
        path: path.into(),
        action: "write the store anew",
        source: io::Error::new(io::ErrorKind::StorageFull, why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_would_fill_the_disk_is_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        let error = has_room(dir.path(), u64::MAX).unwrap_err();
        assert!(is_full(&error), "{error:?}");
        assert!(crate::error::in_one_line(&error).contains("bytes are free, and"), "{error:?}");
        has_room(dir.path(), 0).unwrap();
        for (kind, full) in [(io::ErrorKind::QuotaExceeded, true), (io::ErrorKind::PermissionDenied, false)] {
            let error = StoreError::Io { path: dir.path().into(), action: "write", source: kind.into() };
            assert_eq!(is_full(&error), full, "{kind}");
        }
        assert!(!is_full(&StoreError::Closed));
    }
}
