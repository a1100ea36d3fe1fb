//! Which store a file is of: a random number that the data file and the journal have. Files of two stores in
//! one directory would pass for one store if both have as many changes.
//!
//! A store keeps its number when its files are made smaller, and has a new one after a repair, a restore or a
//! migration, whose files replace the old ones all at once. One of an earlier release gets a number at its
//! next start, first the data file and then the journal. A file without one is of this store, so a kill
//! between the two keeps nobody out.

use std::num::NonZeroU64;

use crate::error::StoreError;
use crate::secret;

pub(super) fn new_identity() -> Result<NonZeroU64, StoreError> {
    let bytes = secret::random().map_err(|error| StoreError::Backend(error.into()))?;
    Ok(NonZeroU64::new(u64::from_le_bytes(bytes)).unwrap_or(NonZeroU64::MIN))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::super::super::account_store::AccountStore as _;
    use super::super::super::codec::{self, Totals};
    use super::super::super::sample;
    use super::super::super::session_store::SessionStore as _;
    use super::super::super::value_store::{NewValue, ValueKey, ValueStore as _};
    use super::super::diagnosis::{Condition, Diagnosis};
    use super::super::examine::examine;
    use super::super::files::journal::Counts;
    use super::super::rescue::repair;
    use super::super::shrink::compact;
    use super::super::tree_keys::TOTALS;
    use super::super::{LoginEffects, SledConfig, SledStore};
    use crate::error::StoreError;

    /// The files of a store; of the last kind there may be several, with numbers in their names.
    const NAMES: [&str; 7] = ["db", "journal", "blobs", "conf", "jwtauth", "lock", "snap."];

    /// Makes a store of three sessions and one account, which was opened twice. With large values, sled may
    /// make a file for one of its pages.
    async fn make(path: &Path, number: u8, name: &str, is_large: bool) {
        let store = SledStore::open(path).await.unwrap();
        for session in number..number + 3 {
            store.insert(sample::session(session, name), LoginEffects::default()).await.unwrap();
        }
        assert!(store.create_account(sample::account(number, name)).await.unwrap());
        for value in number..number + 3 {
            let bytes = vec![value; if is_large { 65_000 } else { 10 }];
            let value = NewValue::new(ValueKey::from_bytes([value; 32]), bytes, 100, 2_000);
            assert!(store.save_value(value).await.unwrap());
        }
        drop(store);
        drop(SledStore::open(path).await.unwrap());
    }

    /// Whose live sessions and active accounts there are.
    async fn let_in(store: &SledStore) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for name in ["alice", "bob"] {
            let sessions = store.sessions_of(name.into()).await.unwrap();
            let account = store.account_by_key(name.into()).await.unwrap();
            if sessions.iter().any(|session| session.revoked.is_none()) || account.is_some_and(|a| a.active) {
                found.insert(name);
            }
        }
        found
    }

    fn copy(from: &Path, to: &Path, is_wanted: &dyn Fn(&str) -> bool) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if !is_wanted(name.to_str().unwrap()) {
                continue;
            }
            if entry.path().is_dir() {
                copy(&entry.path(), &to.join(name), &|_| true);
            } else {
                fs::copy(entry.path(), to.join(name)).unwrap();
            }
        }
    }

    fn doctor(path: &Path) -> Diagnosis {
        examine(path.into(), &mut |_, _, _| ControlFlow::Continue(())).unwrap().unwrap()
    }

    fn pairs() -> impl Iterator<Item = [&'static str; 2]> {
        (0..NAMES.len()).flat_map(|at| NAMES[at..].iter().map(move |two| [NAMES[at], *two]))
    }

    /// Copies a store, but for files of these names, which are those of another one.
    fn mix(own: &Path, other: &Path, to: &Path, names: [&str; 2]) {
        let is_foreign = |name: &str| names.iter().any(|start| name.starts_with(start));
        copy(own, to, &|name| !is_foreign(name));
        copy(other, to, &is_foreign);
    }

    /// any file and any two files of a store are replaced by those of another one, with as many changes.
    #[tokio::test]
    async fn r_7_files_of_two_stores_are_refused_and_a_repair_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let [own, other] = ["own", "other"].map(|name| dir.path().join(name));
        make(&own, 1, "alice", false).await;
        make(&other, 11, "bob", false).await;
        for pair in pairs() {
            let path = dir.path().join(pair.concat());
            mix(&own, &other, &path, pair);
            let [has_data, has_journal] = ["db", "journal"].map(|name| pair.contains(&name));
            let found = doctor(&path);
            if has_data == has_journal {
                assert_eq!(found.condition, Condition::Whole, "{pair:?}: {found:?}");
                let store = SledStore::open(&path).await.unwrap_or_else(|error| panic!("{pair:?}: {error}"));
                assert_eq!(let_in(&store).await, [if has_data { "bob" } else { "alice" }].into(), "{pair:?}");
                continue;
            }
            assert_eq!(found.condition, Condition::Damaged, "{pair:?}: {found:?}");
            let said = found.problem.unwrap();
            assert!(
                ["db", "journal", "two stores"].iter().all(|part| said.contains(part)),
                "{pair:?}: {said}"
            );
            assert!(found.next[0].starts_with("jwtauth repair"), "{pair:?}: {:?}", found.next);
            for _ in 0..2 {
                let opened = SledStore::open(&path).await;
                assert!(matches!(&opened, Err(StoreError::MixedFiles { .. })), "{pair:?}: {opened:?}");
            }
            let go_on = &mut |_, _, _| ControlFlow::Continue(());
            let repaired = repair(SledConfig::new(&path), false, None, go_on).unwrap().unwrap();
            assert!(repaired.sessions_revoked && repaired.kept.accounts == 1, "{pair:?}: {repaired:?}");
            let store = SledStore::open(&path).await.unwrap();
            assert!(let_in(&store).await.is_empty(), "{pair:?}");
            drop(store);
            assert_eq!(doctor(&path).condition, Condition::Whole, "{pair:?}");
        }
    }

    /// likewise, and sled puts pages of both into files of their own, unless it splits them first.
    #[tokio::test]
    async fn r_7_large_pages_of_two_stores_let_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let [own, other] = ["own", "other"].map(|name| dir.path().join(name));
        make(&own, 1, "alice", true).await;
        make(&other, 11, "bob", true).await;
        for pair in pairs() {
            let path = dir.path().join(pair.concat());
            mix(&own, &other, &path, pair);
            let found = doctor(&path);
            let opened = SledStore::open(&path).await;
            let is_whole = found.condition == Condition::Whole;
            assert_eq!(is_whole, opened.is_ok(), "{pair:?}: {found:?} {opened:?}");
            if let Ok(store) = opened {
                assert!(!pair.contains(&"db") || pair.contains(&"journal"), "{pair:?}");
                assert_eq!(let_in(&store).await.len(), 1, "{pair:?}");
            }
        }
    }

    /// A counter in another place says which of the two files is the strange one.
    #[tokio::test]
    async fn a_counter_tells_which_file_is_of_another_store() {
        let dir = tempfile::tempdir().unwrap();
        let [own, other] = ["own", "other"].map(|name| dir.path().join(name));
        let counter = dir.path().join("counter");
        make(&own, 1, "alice", false).await;
        make(&other, 11, "bob", false).await;
        drop(SledStore::open(SledConfig::new(&own).rollback_counter(&counter)).await.unwrap());
        for name in ["db", "journal"] {
            let path = dir.path().join(name);
            mix(&own, &other, &path, [name, name]);
            let opened = SledStore::open(SledConfig::new(&path).rollback_counter(&counter)).await;
            let said = opened.unwrap_err().to_string();
            assert!(said.contains(&format!("({name:?} is of another store)")), "{said}");
        }
    }

    /// M-8: a store that has no number gets one, and a kill between its two files leaves one that opens.
    #[tokio::test]
    async fn m_8_a_store_without_a_number_gets_one_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["store", "other"].map(|name| dir.path().join(name));
        make(&path, 1, "alice", false).await;
        make(&other, 11, "bob", false).await;
        let number = |path: &Path| {
            let counts = Counts::read(&SledConfig::new(path)).unwrap();
            counts.identity().unwrap()
        };
        let before = number(&path);
        // As an earlier release has left them.
        let tree = ::sled::open(&path).unwrap();
        let totals = tree.get(TOTALS).unwrap().unwrap();
        let totals = Totals { identity: None, ..codec::decode_totals(TOTALS, &totals).unwrap() };
        drop(tree);
        let write = |path: &Path, totals| {
            let tree = ::sled::open(path).unwrap();
            tree.insert(TOTALS, codec::encode_totals(TOTALS, totals)).unwrap();
        };
        write(&path, totals);
        drop(SledStore::open(&path).await.unwrap());
        assert_eq!(number(&path), before, "the journal has one");
        write(&path, totals);
        let numbers = [totals.changes, totals.accounts].map(u64::to_le_bytes).concat();
        let journal = [&numbers[..], &crc32fast::hash(&numbers).to_le_bytes()].concat();
        fs::write(path.join("journal"), &journal).unwrap();
        drop(SledStore::open(&path).await.unwrap());
        let given = number(&path);
        assert_ne!(given, before);
        // The data file has it, and the journal not yet.
        fs::write(path.join("journal"), &journal).unwrap();
        drop(SledStore::open(&path).await.unwrap());
        assert_eq!(number(&path), given);
        compact(SledConfig::new(&path), |_, _| true).unwrap();
        assert_eq!(number(&path), given, "it is the same store");
        fs::copy(other.join("journal"), path.join("journal")).unwrap();
        let refused = SledStore::open(&path).await;
        assert!(matches!(refused, Err(StoreError::MixedFiles { .. })), "{refused:?}");
    }
}
