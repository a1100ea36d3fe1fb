//! The writer over failures, groups and damaged records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::super::super::requests::{LoginEffects, SubjectRevocation, Swept};
use super::super::super::sample;
use super::super::super::value_store::{NewValue, ValueKey};
use super::super::login_change::LoginChange;
use super::super::record_check::{CheckStage, RecordCheck};
use super::super::record_checker::{CheckReading, Pass};
use super::super::sled_config::SledConfig;
use super::super::writer::{Settled, TwoSteps as _, Writer};
use super::*;
use crate::record::{Revocation, RevocationReason};

fn session(number: u8) -> Session {
    Session { expires_at: 1_000, ..sample::session(number, "1") }
}

fn disk(path: &Path) -> Disk {
    let Opened { tree, state } = Opened::open(path.into()).unwrap();
    let check = RecordCheck::new(state.first, state.totals);
    Disk::new(Arc::new(StoreReader::new(path.into(), tree, 1 << 20, check)), state)
}

/// Both steps of a login, in the group of the moment.
fn insert(disk: &mut Disk, session: Session, effects: LoginEffects) -> Result<(), StoreError> {
    let mut login = LoginChange { session, effects };
    login.begin(disk)?;
    login.settle(disk, &(), &|| true).map(drop)
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
    insert(&mut disk, session(1), LoginEffects::default()).unwrap();
    fail_long_ago(&mut disk);
    let refused = insert(&mut disk, session(2), LoginEffects::default());
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let committed = disk.commit();
    assert!(matches!(committed, Err(StoreError::Unavailable { .. })), "{committed:?}");
    insert(&mut disk, session(2), LoginEffects::default()).unwrap();
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
    insert(&mut disk, session(1), LoginEffects::default()).unwrap();
    let replaces = vec![session(1).id];
    insert(&mut disk, session(2), LoginEffects { replaces, ..LoginEffects::default() }).unwrap();
    assert!(!disk.revoke(session(1).id, revocation).unwrap(), "replaced within the group");
    let all = SubjectRevocation::all(revocation);
    assert_eq!(disk.revoke_subject("1", &all).unwrap(), 1, "found by its subject");
    let first = disk.sweep(1_000, 1).unwrap();
    let second = disk.sweep(1_000, 1).unwrap();
    assert_eq!((first.removed, first.more, second.removed, second.more), (1, true, 1, false));
    assert!(first.expired.is_empty() && second.expired.is_empty(), "both were revoked");
    assert_eq!(disk.sweep(1_000, 1).unwrap(), Swept::default());
    insert(&mut disk, session(3), LoginEffects::default()).unwrap();
    assert!(disk.reader.sessions_of("1").unwrap().is_empty(), "nothing is committed yet");
    disk.commit().unwrap();
    assert_eq!(disk.reader.sessions_of("1").unwrap(), [session(3)]);
    assert_eq!(disk.state.totals.sessions, 1);
    disk.close();
    // Counts everything again.
    Opened::open(dir.0.as_path().into()).unwrap();
}

/// A record that cannot be read is reported to nobody, and holds nothing up.
#[test]
fn r_6_a_sweep_gets_past_a_damaged_record() {
    let dir = Dir::new("damaged");
    let mut disk = disk(&dir.0);
    for number in 1..=3 {
        insert(&mut disk, session(number), LoginEffects::default()).unwrap();
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
    let value = || NewValue::new(key, b"theirs".to_vec(), 200, 1_000);
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
    Opened::open(dir.0.as_path().into()).unwrap();
}

/// readers get the store back though nobody writes.
#[tokio::test]
async fn r_5_the_store_heals_by_itself() {
    let dir = Dir::new("heals");
    let mut disk = disk(&dir.0);
    insert(&mut disk, session(1), LoginEffects::default()).unwrap();
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

/// M-13, R-4: a file that was cut is not held for one that was replaced, and is used again when it is mended.
#[test]
fn m_13_a_data_file_that_was_cut_is_used_again_when_it_is_put_back() {
    let dir = Dir::new("cut");
    let mut disk = disk(&dir.0);
    insert(&mut disk, session(1), LoginEffects::default()).unwrap();
    disk.commit().unwrap();
    let data = dir.0.join("db");
    let good = std::fs::read(&data).unwrap();
    std::fs::write(&data, &good[..good.len() - 100]).unwrap();
    let cut = format!("was cut from {} to {} bytes", good.len(), good.len() - 100);
    insert(&mut disk, session(2), LoginEffects::default()).unwrap();
    let mut said = disk.commit().unwrap_err().to_string();
    for round in 0..4 {
        assert!(said.contains(&cut) && !said.contains("replaced") && !said.contains("/proc/"), "{said}");
        fail_long_ago(&mut disk);
        disk.retry();
        said = disk.reader.failure().unwrap_or_else(|| panic!("round {round}"));
    }
    for entry in std::fs::read_dir(&dir.0).unwrap().map(Result::unwrap) {
        let mode = crate::private_file::mode(&entry.metadata().unwrap());
        assert_eq!(mode & 0o077, 0, "{entry:?}");
    }
    std::fs::write(&data, &good).unwrap();
    for _ in 0..2 {
        fail_long_ago(&mut disk);
        disk.retry();
    }
    assert!(disk.failed.is_none(), "{:?}", disk.reader.failure());
    assert_eq!(seen(&disk), [(1, false)]);
}

/// Sessions that readers see, and which of them are revoked.
fn seen(disk: &Disk) -> Vec<(u8, bool)> {
    let sessions = disk.reader.sessions_of("1").unwrap();
    for session in &sessions {
        assert_eq!(disk.reader.find(session.id).unwrap().as_deref(), Some(session));
    }
    let mut seen: Vec<_> =
        sessions.iter().map(|session| (session.id.as_bytes()[0], session.revoked.is_some())).collect();
    seen.sort_unstable();
    seen
}

/// N-2: logins of a user who may have two sessions, while the disk hangs.
#[test]
fn n_2_a_login_whose_caller_left_is_undone_and_evicts_nobody() {
    let dir = Dir::new("left");
    let mut disk = disk(&dir.0);
    let begin = |disk: &mut Disk, number| {
        let effects =
            LoginEffects { replaces: vec![session(1).id], max_sessions: Some(2), ..LoginEffects::default() };
        let mut login = LoginChange { session: session(number), effects };
        login.begin(disk).unwrap();
        login
    };
    for number in 1..=2 {
        insert(&mut disk, session(number), LoginEffects::default()).unwrap();
    }
    disk.commit().unwrap();

    let [mut left, mut stays] = [3, 4].map(|number| begin(&mut disk, number));
    disk.commit().unwrap();
    assert_eq!(seen(&disk), [(1, false), (2, false)], "it hangs after the batch was applied");
    assert_eq!(left.settle(&mut disk, &(), &|| false).unwrap(), Settled::Abandoned);
    left.undo(&mut disk);
    assert_eq!(disk.reader.find(session(4).id).unwrap(), None);
    let settled = stays.settle(&mut disk, &(), &|| true).unwrap();
    assert_eq!(settled, Settled::More { awaited: true }, "it replaces 1");
    assert!(disk.reader.find(session(4).id).unwrap().is_some(), "a caller who gives up now has logged in");
    disk.commit().unwrap();
    assert_eq!(seen(&disk), [(1, true), (2, false), (4, false)], "2 and 4 are as many as there may be");
    assert!(disk.load(session(3).id).unwrap().is_none() && disk.disowned.is_empty());
    disk.close();
    // Counts everything again.
    Opened::open(dir.0.as_path().into()).unwrap();
}

/// the first to ask for a session that was just written reads no page. What they get is what stands
/// there, also if the group of the login has changed it again.
#[test]
fn r_14_what_was_just_written_is_known_as_it_stands() {
    let dir = Dir::new("written");
    let mut disk = disk(&dir.0);
    let revocation = Revocation { at: 200, reason: RevocationReason::Logout };
    let is_known = |disk: &Disk, number| disk.reader.recent.find(session(number).id).is_ok();
    let begin = |disk: &mut Disk, number| {
        let mut login = LoginChange { session: session(number), effects: LoginEffects::default() };
        login.begin(disk).unwrap();
        login
    };
    let mut logins = [1, 2].map(|number| begin(&mut disk, number));
    assert!(disk.revoke(session(2).id, revocation).unwrap());
    disk.commit().unwrap();
    assert!(!is_known(&disk, 1), "its caller has not been told");
    for login in &mut logins {
        login.settle(&mut disk, &(), &|| true).unwrap();
    }
    assert!(is_known(&disk, 1) && !is_known(&disk, 2));
    assert_eq!(*disk.reader.find(session(1).id).unwrap().unwrap(), session(1));
    assert!(disk.reader.find(session(2).id).unwrap().unwrap().revoked.is_some());

    let mut swept = begin(&mut disk, 3);
    assert_eq!(disk.sweep(1_000, 10).unwrap().removed, 3);
    disk.commit().unwrap();
    swept.settle(&mut disk, &(), &|| true).unwrap();
    for number in 1..=3 {
        assert_eq!(disk.reader.find(session(number).id).unwrap(), None, "{number}");
    }
}

/// N-2: the batch of a login was applied, and then the disk failed. Its caller was told so.
#[test]
fn n_2_a_login_that_failed_is_removed_when_the_disk_is_back() {
    let dir = Dir::new("failed");
    let mut disk = disk(&dir.0);
    let mut login = LoginChange { session: session(1), effects: LoginEffects::default() };
    login.begin(&mut disk).unwrap();
    disk.write(0).unwrap();
    disk.failed = Some(Instant::now());
    login.undo(&mut disk);
    assert!(disk.load(session(1).id).unwrap().is_some() && seen(&disk).is_empty());
    fail_long_ago(&mut disk);
    disk.retry();
    assert!(disk.load(session(1).id).unwrap().is_none() && disk.disowned.is_empty());
    assert_eq!(disk.state.totals.sessions, 0);
}

/// Nobody can mend a disk by "not usable for the moment".
#[test]
fn a_store_that_has_failed_says_why_until_it_is_opened_anew() {
    let dir = Dir::new("why");
    let mut disk = disk(&dir.0);
    disk.panicked();
    for _ in 0..2 {
        let refused = insert(&mut disk, session(1), LoginEffects::default()).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("because it has failed (") && said.contains("panicked"), "{said}");
        // As the writer does: it is no reason of its own.
        disk.reader.note_failure(Some(&refused));
    }
    fail_long_ago(&mut disk);
    disk.retry();
    assert!(disk.reader.unavailable().to_string().contains("a compaction"));
}

/// Whoever reads hears that there is no store, and does not wait for one that does not come.
#[test]
fn r_5_a_panic_in_an_exchange_lets_nobody_wait() {
    let dir = Dir::new("panicked");
    let disk = disk(&dir.0);
    *disk.reader.tree.write().unwrap() = None;
    let mut context = Context::from_waker(Waker::noop());
    let notice = Arc::clone(&disk.reader).begin_exchange();
    let mut answer = disk.reader.answer(|reader| reader.load(session(1).id));
    assert!(answer.as_mut().poll(&mut context).is_pending());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _notice = notice;
        panic!("as sled may");
    }));
    assert!(panicked.is_err());
    let answer = answer.as_mut().poll(&mut context);
    assert!(matches!(answer, Poll::Ready(Err(StoreError::Unavailable { .. }))));
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

/// The records are read again and again while they change. Each time they are found whole.
#[test]
fn r_7_records_that_are_read_while_they_change_are_found_whole() {
    let dir = Dir::new("checked");
    let mut disk = disk(&dir.0);
    for number in 1..=120 {
        insert(&mut disk, session(number), LoginEffects::default()).unwrap();
    }
    disk.commit().unwrap();
    disk.close();
    let Opened { tree, state } = Opened::open(SledConfig::new(&dir.0).verify_first(0)).unwrap();
    let check = RecordCheck::new(state.first, state.totals);
    let first = state.first;
    assert!(first.is_some(), "sessions are to be read");
    let mut disk = Disk::new(Arc::new(StoreReader::new(dir.0.clone(), tree, 1 << 20, check)), state);
    let reader = Arc::clone(&disk.reader);
    let reading = CheckReading { reader: Arc::clone(&reader), page: 7, rests: false };
    let passes = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            while let Some(start) = reading.reader.check.next_page() {
                match reading.pass(&start) {
                    Pass::Read(read) => assert!(read.is_ok(), "{read:?} after {passes:?}"),
                    Pass::Restarted => panic!("nobody has opened it anew"),
                    Pass::Over => break,
                }
                passes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut random = 1_u64;
        let (start, mut round) = (Instant::now(), 0);
        let enough = || passes.load(Ordering::Relaxed) > 3 || start.elapsed() > Duration::from_secs(60);
        while round < 4_000 || !enough() {
            round += 1;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = 1 + (random >> 33) as u8 % 120;
            let is_there = disk.load(session(number).id).unwrap().is_some();
            match round % 3 {
                0 if !is_there => insert(&mut disk, session(number), LoginEffects::default()).unwrap(),
                1 if is_there => {
                    let mut change = Change::default();
                    change.remove(&disk.load(session(number).id).unwrap().unwrap());
                    disk.apply(change);
                }
                _ => {
                    let revocation = Revocation { at: 200 + round, reason: RevocationReason::Logout };
                    disk.revoke(session(number).id, revocation).unwrap();
                }
            }
            disk.write(0).unwrap();
            if reader.check.stage() == CheckStage::Verified {
                // No accounts, no values: what was counted first is the same.
                reader.check.begin(first, disk.state.totals);
            }
        }
        reader.check.end();
        reads.join().unwrap();
    });
    assert!(passes.into_inner() > 3, "it was read some times meanwhile");
}
