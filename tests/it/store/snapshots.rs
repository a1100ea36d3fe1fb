//! M-11: sled's snapshots and settings, which a store can do without.

use std::ops::ControlFlow;

use jwtauth::store::operate::{self, Condition};

use super::*;

fn snapshots(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snap.")).collect()
}

/// A store of sessions 0 to 20 that was opened some times, so that it has a snapshot.
async fn store(path: &Path) -> PathBuf {
    for start in [0, 5, 10, 15] {
        put(&open(path).await, start..start + 5).await;
    }
    drop(open(path).await);
    snapshots(path).pop().expect("it has a snapshot")
}

async fn assert_whole(path: &Path, what: &str) {
    let store = SledStore::open(path).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    for number in 0..20 {
        assert!(store.load(session(number).id).await.unwrap().is_some(), "{what}: session {number}");
    }
    put(&store, 20..21).await;
}

#[test]
fn m_11_a_broken_or_stray_snapshot_is_set_aside() {
    bounded_by(Duration::from_secs(120), async {
        let data = tempfile::tempdir().unwrap();
        let whole = data.path().join("whole");
        let last = store(&whole).await;
        let bytes = fs::read(&last).unwrap();
        let own = last.file_name().unwrap().to_str().unwrap().to_owned();
        let other = data.path().join("other");
        put(&open(&other).await, 30..60).await;
        drop(open(&other).await);
        let stray = fs::read(snapshots(&other).pop().unwrap()).unwrap();
        let older = {
            let path = data.path().join("older");
            put(&open(&path).await, 0..5).await;
            drop(open(&path).await);
            fs::read(snapshots(&path).pop().unwrap()).unwrap()
        };
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        let cases: [(&str, &str, &[u8]); 12] = [
            ("flipped", &own, &flipped),
            ("cut", &own, &bytes[..bytes.len() - 5]),
            ("empty", &own, b""),
            ("of another store", &own, &stray),
            ("older", &own, &older),
            ("unfinished", "snap.FFFFFFFFFFFFFFFF.generating", &bytes[..10]),
            ("unfinished and whole", "snap.FFFFFFFFFFFFFFFF.generating", &stray),
            ("stray and whole", "snap.FFFFFFFFFFFFFFFF", &stray),
            ("stray, whole, and sorted first", "snap.0000000000000001", &stray),
            ("stray and broken", "snap.FFFFFFFFFFFFFFFF", b"garbage"),
            ("somebody's", "snap.of my holidays.jpg", b"a picture of the sea, and a long one"),
            ("with a name of another alphabet", "snap.\u{e9}t\u{e9}", b"plage"),
        ];
        for (what, name, content) in cases {
            let path = data.path().join(format!("store, {what}"));
            copy(&whole, &path);
            fs::write(path.join(name), content).unwrap();
            for attempt in ["first", "second"] {
                assert_whole(&path, &format!("{what}, {attempt} time")).await;
            }
            let kept = fs::read(path.join("aside").join(name));
            assert_eq!(kept.unwrap_or_else(|error| panic!("{what}: {error}")), content, "{what}: kept");
            assert_eq!(snapshots(&path).len(), 1, "{what}: one is there");
        }
    });
}

/// M-11: sled refuses what it cannot read there, and what says another version.
#[test]
fn m_11_broken_settings_are_set_aside() {
    bounded_by(Duration::from_secs(60), async {
        let data = tempfile::tempdir().unwrap();
        let whole = data.path().join("whole");
        store(&whole).await;
        let bytes = fs::read(whole.join("conf")).unwrap();
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        };
        for (what, content) in [
            ("flipped", flipped(20)),
            ("a wrong sum", flipped(bytes.len() - 1)),
            ("cut", bytes[..30].to_vec()),
            ("empty", Vec::new()),
            ("zeros", vec![0; bytes.len()]),
            ("zeros, short", vec![0; 8]),
            ("random", (0..62_u8).map(|at| at.wrapping_mul(151) ^ 0x5a).collect()),
            ("longer", [&bytes[..], b"\n"].concat()),
        ] {
            let path = data.path().join(what);
            copy(&whole, &path);
            fs::write(path.join("conf"), &content).unwrap();
            let found = operate::doctor(&path, &|_| ControlFlow::Continue(())).unwrap();
            assert_eq!(found.condition, Condition::Whole, "{what}: {found:?}");
            for attempt in ["first", "second"] {
                assert_whole(&path, &format!("{what}, {attempt} time")).await;
            }
            assert_eq!(fs::read(path.join("aside/conf")).unwrap(), content, "{what}: kept");
            assert_eq!(fs::read(path.join("conf")).unwrap(), bytes, "{what}: made anew");
        }
    });
}

/// M-11: without any snapshot, and with one of a release that did not write down which is the last.
#[test]
fn m_11_a_store_opens_without_its_snapshot() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        fs::remove_file(store(&path).await).unwrap();
        assert_whole(&path, "none").await;
        fs::remove_file(path.join("lock")).unwrap();
        let stray = data.path().join("other");
        put(&open(&stray).await, 30..60).await;
        drop(open(&stray).await);
        let own = snapshots(&path).pop().unwrap();
        fs::copy(snapshots(&stray).pop().unwrap(), &own).unwrap();
        assert_whole(&path, "a stray one, and nothing written down").await;
        assert!(path.join("aside").join(own.file_name().unwrap()).exists());
    });
}

/// M-11: only then it counts as damaged, the first time and the second, and nothing piles up.
#[test]
fn m_11_a_damaged_store_stays_damaged_without_its_snapshot() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        store(&path).await;
        let db = fs::read(path.join("db")).unwrap();
        let mut garbage = db.clone();
        for byte in &mut garbage[64..4096] {
            *byte = !*byte;
        }
        fs::write(path.join("db"), garbage).unwrap();
        for attempt in 0..4 {
            let opened = SledStore::open(&path).await;
            let is_typed = matches!(opened, Err(StoreError::Corrupt { .. } | StoreError::RolledBack { .. }));
            assert!(is_typed, "attempt {attempt}: {opened:?}");
        }
        let aside = fs::read_dir(path.join("aside")).map_or(0, |entries| entries.count());
        assert!(aside <= 1, "{aside} files were set aside");
    });
}
