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
    assert!([12, 20].contains(&bytes.len()), "{journal:?} has {} bytes", bytes.len());
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
        let sum = layouts::crc_32(&number).to_le_bytes();
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

/// Each call of the system that changes a file is, once, the last one that the process makes.
#[test]
fn m_8_a_kill_at_any_call_leaves_a_store_that_opens() {
    const CALLS: &str = "?mkdir,?mkdirat,openat,write,pwrite64,?rename,?renameat,?renameat2,?unlink,\
                         ?unlinkat,fsync,fdatasync,?chmod,?fchmod,?fchmodat,ftruncate,flock,sync_file_range";
    if !Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: needs strace");
        return;
    }
    let traced = |dir: &Path, what: &str| {
        let log = dir.join("strace");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-e", what, "-o"])
            .args([&log, Path::new(env!("CARGO_BIN_EXE_store_probe"))])
            .args([Path::new("read"), dir])
            .output()
            .unwrap();
        (output, String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned())
    };
    bounded_by(Duration::from_secs(180), async {
        let dir = earlier();
        let count = changes(&dir.path().join("store.journal"));
        let (output, log) = traced(dir.path(), &format!("trace={CALLS}"));
        assert!(output.status.success(), "{output:?}");
        // Calls are counted by thread, from the first one that names the store.
        let (mut calls, mut first) = (BTreeMap::<(&str, &str), usize>::new(), BTreeMap::new());
        for line in log.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let Some((name, _)) = call.trim().split_once('(') else { continue };
            let counted = calls.entry((thread, name)).or_default();
            *counted += 1;
            if call.contains("store") {
                first.entry(name).or_insert(*counted);
            }
        }
        let mut kills = 0;
        for name in calls.keys().map(|(_, name)| *name).collect::<std::collections::BTreeSet<_>>() {
            let most = calls.iter().filter(|((_, called), _)| *called == name).map(|(_, n)| *n).max();
            for number in first.get(name).copied().unwrap_or(1)..=most.unwrap() {
                let dir = earlier();
                let (output, _) = traced(dir.path(), &format!("inject={name}:signal=KILL:when={number}"));
                kills += usize::from(!output.status.success());
                assert_taken_over(dir.path(), count, &format!("killed at {name} {number}")).await;
            }
        }
        println!("{kills} kills");
        assert!(kills > 25, "there were kills: {kills}");
    });
}
