//! Opaque values that expire, beside the sessions: over the public API, and what becomes of their files.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use jwtauth::error::StoreError;
use jwtauth::store::{LoginEffects, NewValue, REMEMBERED, SessionStore as _, ValueKey, ValueStore as _};
use jwtauth::{Session, SledStore, testing};
use tests::bounded;
use tests::numbers::Numbers;

const NOW: u64 = 1_800_000_000;

fn key(number: u64) -> ValueKey {
    let mut key = [0; ValueKey::LEN];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[24..].copy_from_slice(&number.to_be_bytes());
    ValueKey::from_bytes(key)
}

fn value(number: u64, now: u64, expires_at: u64) -> NewValue {
    NewValue::new(key(number), format!("value {number} of {now}").into_bytes(), now, expires_at)
}

fn session(number: u8, expires_at: u64) -> Session {
    let mut session = testing::session(number, "1");
    (session.expires_at, session.absolute_expires_at) = (expires_at, expires_at);
    session
}

async fn open(path: &Path) -> SledStore {
    SledStore::open(path).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn save(store: &SledStore, number: u64, expires_at: u64) {
    assert!(store.save_value(value(number, NOW, expires_at)).await.unwrap());
}

/// The keys in the files that start with a letter. Nobody may have the store open.
fn raw_keys(path: &Path, prefix: &str) -> Vec<Vec<u8>> {
    let raw = tests::raw::open(path);
    raw.scan_prefix(prefix).keys().map(|key| key.unwrap().to_vec()).collect()
}

/// Whatever is done in whatever order, the store does what a map does, and opens again with it.
#[test]
fn r_1_values_are_what_a_model_says_before_and_after_a_restart() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let mut numbers = Numbers::seeded(11);
        // Bytes, or the mark of a removal, and when they expire.
        let mut model: HashMap<u64, (Option<Vec<u8>>, u64)> = HashMap::new();
        let mut now = NOW;
        let (mut refused, mut restarts) = (0, 0);
        let mut store = open(&path).await;
        for step in 0..600 {
            now += numbers.below(20);
            let number = numbers.below(40);
            let found = model.get(&number).cloned().filter(|(_, expires_at)| *expires_at > now);
            match numbers.below(10) {
                0..5 => {
                    let new = value(number, now, now + numbers.below(1_000));
                    let is_marked = matches!(found, Some((None, _)));
                    let saved = store.save_value(new.clone()).await.unwrap();
                    assert_eq!(saved, !is_marked, "step {step}");
                    refused += usize::from(is_marked);
                    if saved {
                        model.insert(number, (Some(new.bytes), new.expires_at));
                    }
                }
                5..7 => {
                    let was_live = matches!(found, Some((Some(_), _)));
                    assert_eq!(store.remove_value(key(number), now).await.unwrap(), was_live, "step {step}");
                    if was_live {
                        model.insert(number, (None, now + REMEMBERED.as_secs()));
                    }
                }
                7..9 => drop(store.sweep(now, 1 + numbers.below(8) as usize).await.unwrap()),
                _ if numbers.below(6) == 0 => {
                    drop(store);
                    store = open(&path).await;
                    restarts += 1;
                }
                _ => {}
            }
            for number in 0..40 {
                let expected = model.get(&number).filter(|(_, expires_at)| *expires_at > now);
                let expected = expected.and_then(|(bytes, _)| bytes.clone());
                assert_eq!(
                    store.load_value(key(number), now).await.unwrap(),
                    expected,
                    "step {step}, {number}"
                );
            }
        }
        assert!(refused > 5 && restarts > 5, "{refused} refused, {restarts} restarts");
    });
}

/// A removed key takes no value for an hour, to the second; then it is like any other.
#[test]
fn j_24_what_was_removed_stays_so_for_slow_requests() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store")).await;
        save(&store, 1, NOW + 100).await;
        assert!(store.remove_value(key(1), NOW).await.unwrap());
        assert!(!store.remove_value(key(1), NOW).await.unwrap(), "once");
        assert!(!store.remove_value(key(2), NOW).await.unwrap(), "one that never was");
        for (after, saved) in [(0, false), (REMEMBERED.as_secs() - 1, false), (REMEMBERED.as_secs(), true)] {
            let now = NOW + after;
            assert_eq!(store.save_value(value(1, now, now + 10)).await.unwrap(), saved, "{after} s later");
            assert_eq!(store.load_value(key(1), now).await.unwrap().is_some(), saved, "{after} s later");
        }
    });
}

/// F-18: one sweep serves sessions and values, within its limit; without one, saves remove what has expired.
#[test]
fn f_18_what_has_expired_leaves_the_disk_with_and_without_a_sweeper() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path).await;
        for number in 0..10 {
            save(&store, number, NOW + 100 + number).await;
        }
        for number in 0..3 {
            store.insert(session(number, NOW + 50), LoginEffects::default()).await.unwrap();
        }
        let mut removed = 0;
        for _ in 0..3 {
            let swept = store.sweep(NOW + 104, 2).await.unwrap();
            assert_eq!((swept.removed, swept.more), (2, true));
            removed += swept.removed;
        }
        let swept = store.sweep(NOW + 104, 2).await.unwrap();
        assert_eq!((removed + swept.removed, swept.more), (3 + 5, false), "three sessions and values 0 to 4");
        drop(store);
        assert_eq!(raw_keys(&path, "v").len(), 5);
        assert_eq!(raw_keys(&path, "w").len(), 5);

        let store = open(&path).await;
        let late = NOW + 1_000;
        // One of those that have expired is renewed by the very save that would remove it.
        assert!(store.save_value(value(5, late, late + 10)).await.unwrap());
        assert!(store.load_value(key(5), late).await.unwrap().is_some());
        drop(store);
        let left = raw_keys(&path, "v").len();
        assert!(left <= 2, "four were removed with it, or three: {left} left");
        let store = open(&path).await;
        assert!(store.save_value(value(20, late, late + 10)).await.unwrap());
        drop(store);
        assert_eq!(raw_keys(&path, "v").len(), 2, "the two that live");
        assert_eq!(raw_keys(&path, "w").len(), 2);
        drop(open(&path).await);
    });
}

/// an older state of a value, a value that is missing, an index that is not complete: refused at open.
#[test]
fn r_7_values_that_are_missing_or_old_are_noticed() {
    bounded(async {
        type Harm = fn(&sled::Db, &[u8], &[u8]);
        let harms: [(&str, Harm); 5] = [
            ("an older state", |raw, at, old| drop(raw.insert(at, old).unwrap().expect("it is there"))),
            ("a lost record", |raw, at, _| drop(raw.remove(at).unwrap().expect("it is there"))),
            ("a lost record, with its entry", |raw, at, _| {
                raw.remove(at).unwrap().expect("it is there");
                let entries: Vec<_> = raw.scan_prefix("w").keys().map(Result::unwrap).collect();
                let entry = entries.iter().find(|entry| entry.ends_with(&at[1..])).expect("its entry");
                raw.remove(entry).unwrap();
            }),
            ("a lost entry", |raw, _, _| {
                let entry = raw.scan_prefix("w").keys().next().expect("there is one").unwrap();
                raw.remove(entry).unwrap();
            }),
            ("a flipped byte", |raw, at, old| {
                let mut bytes = old.to_vec();
                bytes[9] ^= 1;
                raw.insert(at, bytes).unwrap();
            }),
        ];
        for (what, harm) in harms {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store");
            let store = open(&path).await;
            for number in 0..3 {
                save(&store, number, NOW + 100).await;
            }
            drop(store);
            let at = [b"v", key(1).as_bytes().as_slice()].concat();
            let old = tests::raw::open(&path).get(&at).unwrap().expect("it is there");
            let store = open(&path).await;
            assert!(store.remove_value(key(1), NOW).await.unwrap());
            drop(store);
            drop(open(&path).await);
            let raw = tests::raw::open(&path);
            harm(&raw, &at, &old);
            drop(raw);
            let opened = SledStore::open(&path).await;
            assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{what}: {opened:?}");
        }
    });
}

/// A value that is too large is refused by its size, and the one before it stays.
#[test]
fn a_value_that_is_too_large_changes_nothing() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store")).await;
        save(&store, 1, NOW + 100).await;
        let mut large = value(1, NOW, NOW + 200);
        large.bytes = vec![b' '; 64 * 1024];
        let refused = store.save_value(large).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { got, max }) if got > max), "{refused:?}");
        let kept = store.load_value(key(1), NOW + 99).await.unwrap().unwrap();
        assert_eq!(kept, value(1, NOW, 0).bytes);
        assert_eq!(store.load_value(key(1), NOW + 100).await.unwrap(), None);
    });
}

/// Handles are one store, and the last of them that goes frees the directory, with all that was answered on disk.
#[test]
fn r_8_the_last_handle_closes_the_store() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let first = open(&path).await;
        let second = first.clone();
        save(&first, 1, NOW + 100).await;
        assert!(second.load_value(key(1), NOW).await.unwrap().is_some(), "one store");
        drop(first);
        save(&second, 2, NOW + 100).await;
        let at_once = jwtauth::SledConfig::new(&path).lock_timeout(std::time::Duration::ZERO);
        let refused = SledStore::open(at_once).await;
        assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
        drop(second);
        let store = open(&path).await;
        for number in [1, 2] {
            assert!(store.load_value(key(number), NOW).await.unwrap().is_some());
        }
        // Handles that go at the same time leave nothing behind either.
        let handles: Vec<_> = (0..8).map(|_| store.clone()).collect();
        drop(store);
        let drops: Vec<_> =
            handles.into_iter().map(|handle| std::thread::spawn(move || drop(handle))).collect();
        for dropped in drops {
            dropped.join().unwrap();
        }
        drop(open(&path).await);
    });
}

/// The key that `store_probe values` gives to a number.
fn probe_key(number: u64) -> ValueKey {
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let half = [high, number.to_be_bytes()].concat();
    ValueKey::from_bytes([half.clone(), half].concat().try_into().unwrap())
}

/// what was answered is there after kill -9, and what was removed is not.
#[test]
fn r_1_values_survive_kill_9() {
    const KILLS: u64 = 8;
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let mut numbers = Numbers::seeded(3);
        let mut next = 1;
        for kill in 0..KILLS {
            let mut child = Command::new(env!("CARGO_BIN_EXE_store_probe"))
                .arg("values")
                .arg(directory.path())
                .arg(next.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let wanted = next + 20 + numbers.below(60);
            let mut acknowledged = 0;
            while acknowledged < wanted {
                let line = lines.next().expect("it goes on until it is killed").unwrap();
                acknowledged = line.strip_prefix("ACK ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // What it said before it died counts too.
            for line in lines.map_while(Result::ok) {
                if let Some(number) = line.strip_prefix("ACK ").and_then(|number| number.parse().ok()) {
                    acknowledged = number;
                }
            }
            // Opening counts every value and every entry of the index.
            let store = open(&directory.path().join("store")).await;
            for number in 1..=acknowledged {
                let kept = store.load_value(probe_key(number), 100).await.unwrap();
                let may_be_removed = number % 3 == 2;
                // The step that removes the last one may have come to pass without its answer.
                let is_removed = may_be_removed && number < acknowledged;
                match kept {
                    Some(bytes) => assert!(
                        !is_removed && bytes == number.to_string().into_bytes(),
                        "kill {kill}: {number} of {acknowledged}"
                    ),
                    None => assert!(may_be_removed, "kill {kill}: {number} of {acknowledged}"),
                }
            }
            next = acknowledged + 1;
        }
        assert!(next > KILLS * 20, "there was work: {next}");
    });
}
