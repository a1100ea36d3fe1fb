//! The store as its one writer sees it: changes are gathered in a group, and a commit brings it to disk.
//! What the changes are is in `operations`.
//!
//! # Invariants
//!
//! 1. The writer sees the changes of its own group; readers see a group when it is in the tree.
//! 2. After a failed write nothing of the handle is trusted but what it can still read, until it was
//!    opened anew; a group that was gathered before is gone, and all who wait for it hear an error.

#[cfg(feature = "accounts")]
mod accounts;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::super::writer::Commit;
use super::super::{codec, files, keys};
use super::Shared;
use super::change::{Change, Group};
use super::open::{DiskState, Opened};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::Session;

/// How long to wait before a failed store is opened anew once more.
const RETRY: Duration = Duration::from_secs(1);

/// The store as its one writer sees it.
pub(super) struct Disk {
    pub(super) shared: Arc<Shared>,
    state: DiskState,
    pub(super) group: Group,
    /// Whether somebody waits for the disk.
    pub(super) awaited: bool,
    /// Whether a sweep has come to its end, so that files are looked after once the tree is written.
    pub(super) tidy: bool,
    /// How far the registry was looked through for tokens to archive.
    pub(super) archived: Option<Vec<u8>>,
    /// When a write failed, or opening anew was last tried, if the store is not to be trusted.
    failed: Option<Instant>,
}

impl Disk {
    pub(super) fn new(shared: Arc<Shared>, state: DiskState) -> Self {
        let group = Group::new(state.totals);
        Self { shared, state, group, awaited: false, tidy: false, archived: None, failed: None }
    }

    /// Puts one change into the group, for somebody who waits until it is durable.
    pub(super) fn apply(&mut self, change: Change) {
        self.group.add(change);
        self.awaited = true;
    }

    /// Opens the store anew if it failed, at most once a second.
    ///
    /// sled answers every write with the same error after one has failed, so nothing else helps.
    pub(super) fn ready(&mut self) -> Result<(), StoreError> {
        let Some(failed) = self.failed else { return Ok(()) };
        // Those who wait for this group must hear that it failed, so it is not carried over.
        if !self.group.is_empty() || failed.elapsed() < RETRY {
            return Err(self.shared.unavailable());
        }
        self.failed = Some(Instant::now());
        // Opening writes. As long as the disk takes nothing, the old handle still serves reads.
        files::probe_for_open(&self.shared.path)?;
        // The old one must be gone first: it holds the lock. Readers get an error meanwhile, since
        // they are on threads that other requests need.
        let old = self.shared.tree.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(old);
        files::rewrite(&self.shared.path)?;
        let opened = Opened::open(&self.shared.path)?;
        *self.shared.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.tree);
        self.shared.recent.clear();
        self.state = opened.state;
        self.group = Group::new(self.state.totals);
        self.failed = None;
        tracing::warn!(target: "jwtauth", path = ?self.shared.path, "the session store failed and was opened anew");
        Ok(())
    }

    /// Writes the group into the tree, as one batch.
    fn write(&mut self) -> Result<(), StoreError> {
        let group = std::mem::replace(&mut self.group, Group::new(self.state.totals));
        if group.is_empty() {
            return Ok(());
        }
        let changed = group.sessions();
        let (batch, totals) = group.into_batch();
        self.shared.recent.begin(&changed);
        let applied = self.shared.read(|tree| tree.apply_batch(batch));
        // Also when it failed: nobody knows what is in the tree then, and readers read just that.
        self.shared.recent.end(&changed);
        applied?;
        self.state.totals = totals;
        self.group = Group::new(totals);
        Ok(())
    }

    /// Brings the tree to disk.
    fn save(&mut self) -> Result<(), StoreError> {
        self.state.blobs.sync(&self.shared.path)?;
        self.shared.read(|tree| tree.flush())?;
        self.state
            .data
            .sync_data()
            .map_err(|source| files::refused(&self.shared.path, "bring its data to disk", source))?;
        // sled moves pages when it likes: what it has moved since the first time is in the log by now.
        self.state.blobs.sync(&self.shared.path)?;
        self.state.journal.write(self.state.totals.changes)
    }

    fn try_commit(&mut self, awaited: bool) -> Result<(), StoreError> {
        if self.failed.is_some() {
            // Gathered before a panic, or asked of a handle that cannot be trusted to have saved.
            self.group = Group::new(self.state.totals);
            return Err(self.shared.unavailable());
        }
        self.write()?;
        if awaited {
            self.save()?;
        }
        if std::mem::take(&mut self.tidy) {
            files::restrict(&self.shared.path)?;
            self.state.journal.sync();
        }
        Ok(())
    }
}

impl Commit for Disk {
    fn commit(&mut self) -> Result<(), StoreError> {
        let awaited = std::mem::take(&mut self.awaited);
        if !awaited && !self.tidy && self.group.is_empty() {
            return Ok(());
        }
        let committed = self.try_commit(awaited);
        if let Err(error) = &committed {
            self.failed.get_or_insert_with(Instant::now);
            tracing::error!(target: "jwtauth", error = error as &dyn std::error::Error, "the session store cannot be written");
        }
        committed
    }

    fn panicked(&mut self) -> StoreError {
        self.failed = Some(Instant::now());
        self.shared.corrupt("changing it panicked")
    }

    fn retry_in(&self) -> Option<Duration> {
        self.failed.map(|failed| RETRY.saturating_sub(failed.elapsed()))
    }

    fn retry(&mut self) {
        if let Err(error) = self.ready() {
            tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store cannot be opened anew yet");
        }
    }

    fn close(mut self) {
        if self.failed.is_none()
            && let Err(error) = self.save()
        {
            tracing::error!(target: "jwtauth", error = &error as &dyn std::error::Error, "the session store could not be closed in order");
        }
        self.state.journal.sync();
        let mut tree = self.shared.tree.write().unwrap_or_else(PoisonError::into_inner);
        drop(tree.take());
    }
}

/// What the writer reads: the tree, as it will be after this group.
impl Disk {
    pub(super) fn load(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let key = keys::session(id);
        match self.group.get(&key) {
            Some(bytes) => Ok(bytes.and_then(|bytes| codec::decode_session(&key, id, bytes))),
            None => self.shared.load(id),
        }
    }

    /// Returns the first keys of a range, in order, at most `limit`.
    pub(super) fn keys_in(&self, range: Range<Vec<u8>>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        // Of those in the tree, the group may remove as many as it decides at all.
        let enough = limit.saturating_add(self.group.range(&range).count());
        let mut keys: BTreeSet<Vec<u8>> = self.shared.read(|tree| {
            let keys = tree.range(range.clone()).keys().take(enough);
            keys.map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>()
        })?;
        for (key, is_there) in self.group.range(&range) {
            if is_there {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().take(limit).collect())
    }

    pub(super) fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, StoreError> {
        let entries = self.keys_in(keys::subject_range(subject), usize::MAX)?;
        entries.iter().filter_map(|key| self.load(keys::id_of(key)?).transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::super::values::{NewValue, ValueKey};
    use super::super::super::writer::Writer;
    use super::super::super::{LoginEffects, SubjectRevocation, Swept};
    use super::*;
    use crate::record::{Revocation, RevocationReason};

    fn session(number: u8) -> Session {
        Session { expires_at: 1_000, ..Session::sample(number) }
    }

    fn disk(path: &Path) -> Disk {
        let Opened { tree, state } = Opened::open(path).unwrap();
        Disk::new(Arc::new(Shared::new(path.into(), tree)), state)
    }

    fn fail_long_ago(disk: &mut Disk) {
        disk.failed = Instant::now().checked_sub(RETRY * 2);
        assert!(disk.failed.is_some());
    }

    /// in one group a change is made, the handle fails, and a second later another change comes. Opened
    /// anew at that point, the commit would succeed, and the first caller would hear that all is well.
    #[test]
    fn r_1_a_group_is_not_carried_over_to_another_handle() {
        let dir = Dir::new("waits");
        let mut disk = disk(&dir.0);
        disk.insert(&session(1), &LoginEffects::default()).unwrap();
        fail_long_ago(&mut disk);
        let refused = disk.insert(&session(2), &LoginEffects::default());
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        let committed = disk.commit();
        assert!(matches!(committed, Err(StoreError::Unavailable { .. })), "{committed:?}");
        disk.insert(&session(2), &LoginEffects::default()).unwrap();
        assert!(disk.failed.is_none(), "the next group opens it anew");
        disk.commit().unwrap();
        let kept = disk.shared.sessions_of("1").unwrap();
        assert!(kept.len() == 1 && kept[0].id == session(2).id, "{kept:?}");
    }

    /// changes of one group see each other, in every index; readers see them after the commit.
    #[test]
    fn r_14_a_group_sees_its_own_changes_and_readers_only_committed_ones() {
        let dir = Dir::new("group");
        let mut disk = disk(&dir.0);
        let revocation = Revocation { at: 200, reason: RevocationReason::Logout };
        disk.insert(&session(1), &LoginEffects::default()).unwrap();
        disk.insert(&session(2), &LoginEffects { replaces: vec![session(1).id], ..LoginEffects::default() })
            .unwrap();
        assert!(!disk.revoke(session(1).id, revocation).unwrap(), "replaced within the group");
        let all = SubjectRevocation { except: None, revocation };
        assert_eq!(disk.revoke_subject("1", all).unwrap(), 1, "found by its subject");
        let first = disk.sweep(1_000, 1).unwrap();
        let second = disk.sweep(1_000, 1).unwrap();
        assert_eq!((first.removed, first.more, second.removed, second.more), (1, true, 1, false));
        assert!(first.expired.is_empty() && second.expired.is_empty(), "both were revoked");
        assert_eq!(disk.sweep(1_000, 1).unwrap(), Swept::default());
        disk.insert(&session(3), &LoginEffects::default()).unwrap();
        assert!(disk.shared.sessions_of("1").unwrap().is_empty(), "nothing is committed yet");
        disk.commit().unwrap();
        assert_eq!(disk.shared.sessions_of("1").unwrap(), [session(3)]);
        assert_eq!(disk.state.totals.sessions, 1);
        disk.close();
        // Counts everything again.
        Opened::open(&dir.0).unwrap();
    }

    /// A record that cannot be read is told of to nobody, and holds nothing up.
    #[test]
    fn r_6_a_sweep_gets_past_a_damaged_record() {
        let dir = Dir::new("damaged");
        let mut disk = disk(&dir.0);
        for number in 1..=3 {
            disk.insert(&session(number), &LoginEffects::default()).unwrap();
        }
        disk.commit().unwrap();
        let damaged = keys::session(session(2).id);
        disk.shared.read(|tree| tree.insert(damaged.clone(), b"no record")).unwrap();
        let mut expired = Vec::new();
        loop {
            let swept = disk.sweep(1_000, 1).unwrap();
            expired.extend(swept.expired);
            if !swept.more {
                break;
            }
        }
        disk.commit().unwrap();
        assert_eq!(expired, [session(1), session(3)]);
        assert!(disk.keys_in(keys::EXPIRIES.to_vec()..keys::expired_until(u64::MAX), 10).unwrap().is_empty());
    }

    /// a value that was damaged meanwhile may have said that a token was revoked. It is not taken for none.
    #[test]
    fn r_7_a_value_that_cannot_be_read_is_an_error_and_no_session_is_added() {
        let dir = Dir::new("values");
        let mut disk = disk(&dir.0);
        let key = ValueKey::from_bytes([7; ValueKey::LEN]);
        let value = || NewValue { key, bytes: b"theirs".to_vec(), now: 200, expires_at: 1_000 };
        let (stored, new) = (keys::value(key), session(1));
        disk.shared.read(|tree| tree.insert(&stored, b"damaged")).unwrap();
        assert!(matches!(disk.shared.live_value(key, 200), Err(StoreError::Corrupt { .. })));
        let refused = disk.insert_with_value(&new, &LoginEffects::default(), value());
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
        assert_eq!(disk.load(new.id).unwrap(), None);
        disk.shared.read(|tree| tree.remove(&stored)).unwrap();
        assert_eq!(disk.insert_with_value(&new, &LoginEffects::default(), value()).unwrap(), None);
        // Not committed yet, and known all the same.
        let known = disk.insert_with_value(&session(2), &LoginEffects::default(), value()).unwrap();
        assert_eq!(known.as_deref(), Some(&b"theirs"[..]));
        disk.commit().unwrap();
        assert!(disk.load(new.id).unwrap().is_some() && disk.load(session(2).id).unwrap().is_none());
        disk.close();
        // Counts everything again.
        Opened::open(&dir.0).unwrap();
    }

    /// readers get the store back though nobody writes.
    #[tokio::test]
    async fn r_5_the_store_heals_by_itself() {
        let dir = Dir::new("heals");
        let mut disk = disk(&dir.0);
        disk.insert(&session(1), &LoginEffects::default()).unwrap();
        disk.commit().unwrap();
        fail_long_ago(&mut disk);
        drop(disk.shared.tree.write().unwrap().take());
        let shared = Arc::clone(&disk.shared);
        let writer = Writer::start(disk).unwrap();
        let start = Instant::now();
        while shared.load(session(1).id).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not heal");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(writer);
    }

    /// A directory that is removed when dropped.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("jwtauth-sled-{name}-{}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            Self(dir.join("store"))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }
}
