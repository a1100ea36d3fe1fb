//! M-8: a store of an earlier release, with its journal beside the directory, is taken over.

use super::*;

/// A copy of a store as an earlier release left it: `store`, and `store.journal` beside it.
fn earlier() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layout_3");
    let to = tempfile::tempdir().unwrap();
    copy(&from, to.path());
    to
}

fn changes(journal: &Path) -> u64 {
    let bytes = fs::read(journal).unwrap();
    assert!([12, 20, 28].contains(&bytes.len()), "{journal:?} has {} bytes", bytes.len());
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

async fn assert_taken_over(dir: &Path, count: u64, when: &str) {
    let path = dir.join("store");
    let store = SledStore::open(&path).await.unwrap_or_else(|error| panic!("{when}: {error}"));
    let beside = dir.join("store.journal");
    assert!(!beside.exists(), "{when}: the old journal is gone");
    assert!(changes(&path.join("journal")) >= count, "{when}: its number is inside");
    put(&store, 0..1).await;
    drop(store);
    let raw = tests::raw::open(&path);
    assert_eq!(raw.scan_prefix("s").count(), 4, "{when}: three sessions were there");
}

#[test]
fn m_8_the_journal_moves_inside() {
    bounded(async {
        let dir = earlier();
        let count = changes(&dir.path().join("store.journal"));
        assert!(count > 0);
        assert_taken_over(dir.path(), count, "at once").await;
        // A journal that is ahead of the store says that something is missing, wherever it lies.
        let dir = earlier();
        let beside = dir.path().join("store.journal");
        let number = (count + 2).to_le_bytes();
        let sum = crc_32(&number).to_le_bytes();
        fs::write(&beside, [&number[..], &sum].concat()).unwrap();
        for _ in 0..2 {
            let opened = SledStore::open(dir.path().join("store")).await;
            assert!(matches!(opened, Err(StoreError::RolledBack { lost: 2, .. })), "{opened:?}");
            assert!(beside.exists(), "what proves it stays");
        }
    });
}

/// Files that a process has left, with what is in them.
type Left<'a> = &'a [(&'a str, &'a [u8])];

/// What a process that stopped between two steps has left.
#[test]
fn m_8_a_store_opens_after_a_stop_between_the_steps() {
    bounded_by(Duration::from_secs(60), async {
        let dir = earlier();
        let old = fs::read(dir.path().join("store.journal")).unwrap();
        let count = changes(&dir.path().join("store.journal"));
        drop(open(&dir.path().join("store")).await);
        let new = fs::read(dir.path().join("store/journal")).unwrap();
        let stops: [(&str, Left<'_>); 6] = [
            ("nothing is written", &[("store.journal", &old)]),
            ("the new journal is empty", &[("store.journal", &old), ("store/journal.new", b"")]),
            ("it is half written", &[("store.journal", &old), ("store/journal.new", &new[..7])]),
            ("it has no name yet", &[("store.journal", &old), ("store/journal.new", &new)]),
            ("both are there", &[("store.journal", &old), ("store/journal", &new)]),
            ("an empty one is there", &[("store.journal", &old), ("store/journal", b"")]),
        ];
        for (when, journals) in stops {
            let dir = earlier();
            fs::remove_file(dir.path().join("store.journal")).unwrap();
            for (name, bytes) in journals {
                fs::write(dir.path().join(name), bytes).unwrap();
            }
            assert_taken_over(dir.path(), count, when).await;
        }
    });
}

#[test]
fn m_8_a_kill_at_any_call_leaves_a_store_that_opens() {
    bounded_by(Duration::from_secs(180), async {
        let count = changes(&earlier().path().join("store.journal"));
        let arguments = |dir: &Path| vec!["read".into(), dir.into()];
        let check = async |dir: &Path, when: &str| assert_taken_over(dir, count, when).await;
        let kills = kill::at_any_call(env!("CARGO_BIN_EXE_store_probe"), arguments, earlier, check).await;
        assert!(kills.is_none_or(|kills| kills > 25), "there were kills: {kills:?}");
    });
}
