//! Makes a new database of records, and puts it in the place of what a store's directory holds.
//!
//! # Invariants
//!
//! 1. The old files are the store until the new ones are on disk and were counted. What happens then is in
//!    [`swap`].
//! 2. A rebuild that is dropped leaves no new files.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::sled::IVec;

use super::super::account_store::StoredAccount;
use super::super::codec::{self, Totals};
use super::super::value_store::{StoredValue, ValueKey};
use super::super::whole_store::{RecordKey, StoreRecord};
use super::disk_record::DiskRecord;
use super::explain::{damaged, explain, unreadable};
use super::files::keepsake::Keepsake;
use super::files::kinds;
use super::files::store_lock::{Patience, StoreLock};
use super::files::swap::{self, OldFiles};
use super::files::{self, directory, journal, snapshots};
use super::record_count::count;
use super::salvage;
use super::sled_config::SledConfig;
use super::startup::{count_of, finish_swap};
use super::store_identity::new_identity;
use super::tree_change::{Change, Group};
use super::tree_keys;
use super::written_tree::WrittenTree;
use crate::clock::TimeMark;
use crate::error::StoreError;
use crate::id::AccountId;
use crate::id::SessionId;
use crate::record::Session;
use crate::shutdown::outlive_file_limits;

/// How many keys are written at once.
pub(super) const BATCH: usize = 4_096;

/// A database that is being made in the directory of a store.
pub(in crate::store) struct Rebuild {
    path: PathBuf,
    new: PathBuf,
    lock: Arc<StoreLock>,
    tree: WrittenTree,
    group: Group,
    totals: Totals,
    payload: u64,
    time: TimeMark,
    is_decided: bool,
}

impl Rebuild {
    /// Begins one, in a directory that may hold a store or nothing. Nobody may have it open.
    #[cfg(test)]
    pub(in crate::store) fn begin(config: SledConfig) -> Result<Self, StoreError> {
        let config = config.absolute()?;
        let lock = Self::lock(&config)?;
        Self::begin_locked(config.path, lock)
    }

    /// Takes the lock of a directory, which is made if it is not there.
    pub(super) fn lock(config: &SledConfig) -> Result<Arc<StoreLock>, StoreError> {
        outlive_file_limits();
        directory::make(&config.path)?;
        StoreLock::acquire(&config.path, &mut Patience::new(config.lock_timeout)).map(Arc::new)
    }

    /// Begins one for somebody who has the lock.
    pub(super) fn begin_locked(path: PathBuf, lock: Arc<StoreLock>) -> Result<Self, StoreError> {
        // Nothing is begun that could not come to its end.
        kinds::check(&path)?;
        // One that was decided for is finished first: its old files are not lost then.
        if files::has_swap(&path) {
            finish_swap(&path, &lock)?;
        }
        // What a start has left that was killed is what was in the data file. It goes where the old files go,
        // and nobody takes it for that of the new ones.
        if let Some(keepsake) = Keepsake::left(&path) {
            keepsake.put_back();
        }
        directory::mark_anew(&path)?;
        let identity = Some(new_identity()?);
        let new = swap::new_files(&path)?;
        let tree = WrittenTree::open(&new).inspect_err(|_| drop(fs::remove_dir_all(&new)))?;
        let (totals, time) = (Totals { identity, ..Totals::default() }, TimeMark::default());
        let group = Group::new(totals);
        Ok(Self { path, new, lock, tree, group, totals, payload: 0, time, is_decided: false })
    }

    /// Returns the directory of the store.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes in a record, in the place of what stood there before.
    pub(in crate::store) fn put(&mut self, record: &StoreRecord) -> Result<(), StoreError> {
        let mut change = Change::default();
        match record {
            StoreRecord::Account(account) => {
                if let Some(before) = self.account(account.id)? {
                    change.remove_account(&before);
                }
                change.add_account(account)?;
            }
            StoreRecord::Session(session) => match self.session(session.id)? {
                Some(before) => change.overwrite(&before, session)?,
                None => change.add(session)?,
            },
            StoreRecord::Event(_) | StoreRecord::TrailHead(_) => {
                let (key, bytes) = codec::encode_record(record)?;
                change.put_uncounted(key, bytes);
            }
            StoreRecord::Token { token, .. } => change.put_token(codec::encode_key(&record.key()), token),
            StoreRecord::Value { key, value } => {
                let before = self.value(*key)?;
                change.put_value(*key, before, value)?;
            }
        }
        self.add(change)
    }

    /// Removes what was taken in before.
    pub(in crate::store) fn remove(&mut self, key: RecordKey) -> Result<(), StoreError> {
        let mut change = Change::default();
        match key {
            RecordKey::Account(id) => {
                if let Some(before) = self.account(id)? {
                    change.remove_account(&before);
                }
            }
            RecordKey::Session(id) => {
                if let Some(before) = self.session(id)? {
                    change.remove(&before);
                }
            }
            RecordKey::Event(_) | RecordKey::TrailHead | RecordKey::Token { .. } => {
                change.remove_key(codec::encode_key(&key));
            }
            RecordKey::Value(key) => {
                if let Some(before) = self.value(key)? {
                    change.remove_key(tree_keys::value_expiry(key, before.record.expires_at));
                    change.put_record(tree_keys::value(key), Some(before.checksum), None);
                }
            }
        }
        self.add(change)
    }

    /// Returns what was taken in under a key.
    fn find(&mut self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        if self.group.get(key).is_some() {
            self.write()?;
        }
        self.tree.get(key)
    }

    fn session(&mut self, id: SessionId) -> Result<Option<DiskRecord<Session>>, StoreError> {
        let key = tree_keys::session(id);
        let found = self.find(&key)?;
        let read = found.map(|bytes| DiskRecord::session(&key, id, &bytes)).transpose();
        read.map_err(|error| unreadable(&self.new, error))
    }

    fn account(&mut self, id: AccountId) -> Result<Option<DiskRecord<StoredAccount>>, StoreError> {
        let key = tree_keys::account(id);
        let found = self.find(&key)?;
        let read = found.map(|bytes| DiskRecord::account(&key, id, &bytes)).transpose();
        read.map_err(|error| unreadable(&self.new, error))
    }

    fn value(&mut self, key: ValueKey) -> Result<Option<DiskRecord<StoredValue>>, StoreError> {
        let key = tree_keys::value(key);
        let found = self.find(&key)?;
        let read = found.map(|bytes| DiskRecord::value(&key, &bytes)).transpose();
        read.map_err(|error| unreadable(&self.new, error))
    }

    /// Takes in a change.
    pub(super) fn add(&mut self, change: Change) -> Result<(), StoreError> {
        self.group.add(change);
        if self.group.len() >= BATCH { self.write() } else { Ok(()) }
    }

    /// Takes in a key as it stands in another of our databases, or is not there any more. The totals of that
    /// one go to [`Self::finish`] or [`Self::check`].
    pub(super) fn copy(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if key == tree_keys::TOTALS {
            return Ok(());
        }
        let mut change = Change::default();
        // Whatever it is: what this adds to the sums is not used.
        change.put_record(key.to_vec(), None, value.map(<[u8]>::to_vec));
        self.add(change)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let group = std::mem::replace(&mut self.group, Group::new(self.totals));
        let (batch, totals) = group.into_batch(&self.time);
        self.tree.apply(batch)?;
        self.totals = totals;
        self.group = Group::new(totals);
        Ok(())
    }

    /// Returns what was counted while records came in.
    pub(super) const fn counted(&self) -> Totals {
        self.group.totals()
    }

    /// Puts the new database in the place of the old one. Returns where the old files are, if there were any.
    ///
    /// `label` begins their name. `totals` makes the totals of the new database of those that were counted
    /// while records came in.
    pub(super) fn finish(
        mut self,
        label: &str,
        old: OldFiles,
        totals: impl FnOnce(Totals) -> Totals,
    ) -> Result<Option<PathBuf>, StoreError> {
        self.seal(totals)?;
        self.put_in_place(label, old)
    }

    /// Brings the new database to disk, and reads it once more. Nothing can be added then.
    pub(super) fn seal(&mut self, totals: impl FnOnce(Totals) -> Totals) -> Result<(), StoreError> {
        self.write()?;
        let totals = totals(self.totals);
        self.check(totals, &|| true)?;
        self.tree.close()?;
        journal::make_new(&self.new, count_of(totals))
    }

    /// Likewise, and more can be added. Fails soon after `goes_on` has said no.
    pub(super) fn check(&mut self, totals: Totals, goes_on: &dyn Fn() -> bool) -> Result<(), StoreError> {
        self.complete(totals)?;
        // Another handle sees what the next start will see.
        self.tree.close()?;
        let tree = WrittenTree::open(&self.new)?;
        match tree.work(|tree| count(&self.new, tree, goes_on))? {
            Some(counted) if counted.totals == totals => self.payload = counted.payload,
            _ => return Err(damaged(&self.new, "it is not what was written".into())),
        }
        self.tree = tree;
        Ok(())
    }

    /// Brings to disk what was taken in. It is no store yet.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.write()?;
        self.tree.flush()?;
        files::sync_all(&self.new)
    }

    /// Makes the new files as small as they get, in at most so long. They are [checked](Self::check) after
    /// that.
    pub(super) fn settle(&mut self, totals: Totals, at_most: Duration) -> Result<(), StoreError> {
        self.complete(totals)?;
        // The thread that cleans up waits for the disk each time.
        files::sync_all(&self.new)?;
        self.tree.settle(&codec::encode_totals(tree_keys::TOTALS, totals), at_most)
    }

    /// Returns how many bytes keys and values had when all was [checked](Self::check).
    pub(super) const fn payload(&self) -> u64 {
        self.payload
    }

    /// Writes what is missing into a database that was [checked](Self::check) before.
    pub(super) fn seal_again(&mut self, totals: Totals) -> Result<(), StoreError> {
        self.complete(totals)?;
        self.tree.close()?;
        journal::make_new(&self.new, count_of(totals))
    }

    fn complete(&mut self, totals: Totals) -> Result<(), StoreError> {
        self.write()?;
        let bytes = codec::encode_totals(tree_keys::TOTALS, totals);
        self.tree.insert(tree_keys::TOTALS, bytes)?;
        self.tree.flush()
    }

    /// Reads one record after the other of the database, which is [sealed](Self::seal). `look` may stop it.
    pub(super) fn read_back(
        &self,
        look: &mut dyn FnMut(&StoreRecord) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        WrittenTree::open(&self.new)?.work(|tree| {
            for entry in tree_keys::records().into_iter().flat_map(|range| tree.range(range)) {
                let (key, bytes) = entry.map_err(|error| explain(&self.new, "read", error))?;
                let record =
                    codec::decode_record(&key, &bytes).map_err(|error| unreadable(&self.new, error))?;
                if look(&record).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Puts a database that was [sealed](Self::seal) in the place of the old one, which nobody has open.
    pub(super) fn put_in_place(mut self, label: &str, old: OldFiles) -> Result<Option<PathBuf>, StoreError> {
        let aside = self.decide(label, old)?;
        self.install()?;
        Ok(aside.is_dir().then_some(aside))
    }

    /// Says that the database, which was [sealed](Self::seal), is the store from here on. Returns where the
    /// old files go.
    pub(super) fn decide(&mut self, label: &str, old: OldFiles) -> Result<PathBuf, StoreError> {
        // The old files go for it.
        salvage::check_readable(&self.path, &self.new.join(files::DATA))?;
        let aside = swap::decide(&self.path, label, old)?;
        self.is_decided = true;
        Ok(aside)
    }

    /// Moves the files. Nobody has the old ones open.
    pub(super) fn install(self) -> Result<(), StoreError> {
        swap::finish(&self.path)?;
        snapshots::note_current(&self.path, &self.lock);
        files::restrict(&self.path);
        Ok(())
    }
}

impl Drop for Rebuild {
    fn drop(&mut self) {
        // What it says counts no more.
        let _ = self.tree.close();
        // What somebody may finish is left.
        if !self.is_decided && !files::has_swap(&self.path) {
            let _ = fs::remove_dir_all(&self.new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::super::super::session_store::SessionStore;
    use super::super::super::value_store::ValueStore as _;
    use super::super::SledStore;
    use super::*;
    use crate::id::TokenId;
    use crate::registry::{TokenKind, TokenRecord};

    /// The last record of a key counts, with its index entries, and what was removed is gone.
    #[tokio::test]
    async fn a_new_store_takes_the_place_of_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let [one, two, three] = [1, 2, 3].map(|number| sample::session(number, "alice"));
        let mut moved = one.clone();
        (moved.subject, moved.expires_at) = ("bob".into(), one.expires_at + 5);
        let key = ValueKey::from_bytes([7; 32]);
        let value = |bytes: &[u8]| StoreRecord::Value {
            key,
            value: StoredValue { expires_at: 100, bytes: Some(bytes.into()), ..StoredValue::default() },
        };
        let token = TokenRecord::new(TokenId::from_bytes([9; 16]), one.id, TokenKind::Access, 1, 2);
        for round in 1..=2_u64 {
            let mut rebuild = Rebuild::begin(SledConfig::new(&path)).unwrap();
            let session = |session: &Session| StoreRecord::Session(Box::new(session.clone()));
            for record in [session(&one), session(&two), session(&three), value(b"old"), session(&moved)] {
                rebuild.put(&record).unwrap();
            }
            rebuild.put(&value(b"new")).unwrap();
            rebuild.put(&StoreRecord::Token { generation: 0, token }).unwrap();
            rebuild.remove(RecordKey::Session(two.id)).unwrap();
            let totals = |counted| Totals { changes: 100 * round, latest: 50, ..counted };
            let aside = rebuild.finish("replaced", OldFiles::Kept, totals).unwrap();
            assert_eq!(aside.is_some(), round == 2, "{aside:?}");

            // Opening compares all of it with its totals.
            let store = SledStore::open(&path).await.unwrap();
            assert_eq!(store.sessions_of("alice".into()).await.unwrap(), std::slice::from_ref(&three));
            assert_eq!(store.sessions_of("bob".into()).await.unwrap(), std::slice::from_ref(&moved));
            assert_eq!(store.load_value(key, 99).await.unwrap().as_deref(), Some(&b"new"[..]));
            assert_eq!(SessionStore::time_mark(&store).latest(), 50);
        }
    }

    #[tokio::test]
    async fn one_that_is_given_up_leaves_the_old_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let store = SledStore::open(&path).await.unwrap();
        store.insert(sample::session(1, "alice"), super::super::LoginEffects::default()).await.unwrap();
        drop(store);
        let mut rebuild = Rebuild::begin(SledConfig::new(&path)).unwrap();
        rebuild.put(&StoreRecord::Session(Box::new(sample::session(2, "eve")))).unwrap();
        let totals = rebuild.counted();
        assert!(matches!(rebuild.check(totals, &|| false), Err(StoreError::Closed)));
        drop(rebuild);
        assert!(!path.join("new").exists());
        let store = SledStore::open(&path).await.unwrap();
        assert_eq!(store.sessions_of("alice".into()).await.unwrap().len(), 1);
        assert!(store.sessions_of("eve".into()).await.unwrap().is_empty());
    }
}
