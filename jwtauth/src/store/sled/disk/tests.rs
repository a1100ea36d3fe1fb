//! The writer over failures, groups and damaged records.

use std::path::{Path, PathBuf};

use super::super::super::requests::{LoginEffects, SubjectRevocation, Swept};
use super::super::super::sample;
use super::super::super::value_store::{NewValue, ValueKey};
use super::super::writer::Writer;
use super::*;
use crate::record::{Revocation, RevocationReason};

fn session(number: u8) -> Session {
    Session { expires_at: 1_000, ..sample::session(number, "1") }
}

fn disk(path: &Path) -> Disk {
    let Opened { tree, state } = Opened::open(path).unwrap();
    Disk::new(Arc::new(StoreReader::new(path.into(), tree)), state)
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
    let kept = disk.reader.sessions_of("1").unwrap();
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
    let all = SubjectRevocation::all(revocation);
    assert_eq!(disk.revoke_subject("1", &all).unwrap(), 1, "found by its subject");
    let first = disk.sweep(1_000, 1).unwrap();
    let second = disk.sweep(1_000, 1).unwrap();
    assert_eq!((first.removed, first.more, second.removed, second.more), (1, true, 1, false));
    assert!(first.expired.is_empty() && second.expired.is_empty(), "both were revoked");
    assert_eq!(disk.sweep(1_000, 1).unwrap(), Swept::default());
    disk.insert(&session(3), &LoginEffects::default()).unwrap();
    assert!(disk.reader.sessions_of("1").unwrap().is_empty(), "nothing is committed yet");
    disk.commit().unwrap();
    assert_eq!(disk.reader.sessions_of("1").unwrap(), [session(3)]);
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
    let damaged = tree_keys::session(session(2).id);
    disk.reader.read(|tree| tree.insert(damaged.clone(), b"no record")).unwrap();
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
    assert!(
        disk.keys_in(tree_keys::EXPIRIES.to_vec()..tree_keys::expired_until(u64::MAX), 10)
            .unwrap()
            .is_empty()
    );
}

/// a value that was damaged meanwhile may have said that a token was revoked. It is not taken for none.
#[test]
fn r_7_a_value_that_cannot_be_read_is_an_error_and_no_session_is_added() {
    let dir = Dir::new("values");
    let mut disk = disk(&dir.0);
    let key = ValueKey::from_bytes([7; ValueKey::LEN]);
    let value = || NewValue { key, bytes: b"theirs".to_vec(), now: 200, expires_at: 1_000 };
    let (stored, new) = (tree_keys::value(key), session(1));
    disk.reader.read(|tree| tree.insert(&stored, b"damaged")).unwrap();
    assert!(matches!(disk.reader.live_value(key, 200), Err(StoreError::Corrupt { .. })));
    let refused = disk.insert_with_value(&new, &LoginEffects::default(), value());
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert!(disk.load(new.id).unwrap().is_none());
    disk.reader.read(|tree| tree.remove(&stored)).unwrap();
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
    drop(disk.reader.tree.write().unwrap().take());
    let reader = Arc::clone(&disk.reader);
    let writer = Writer::start(disk).unwrap();
    let start = Instant::now();
    while reader.load(session(1).id).is_err() {
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
