//! The stores over their public API: the conformance suite, and what the embedded one promises of its files.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::store::{Opening, Presented, UserUpdate, conformance};
use jwtauth::{
    Device, MemoryStore, Reason, Revocation, RotationPolicy, Session, SessionId, SessionStore, SledStore,
    StoreError, Successor, TokenId,
};
use reqwest::Method;
use tests::browser::Browser;
use tests::numbers::Numbers;
use tests::{bounded, bounded_by};

fn session(number: u8) -> Session {
    Session {
        id: SessionId::from_bytes([number; 16]),
        subject: format!("subject-{}", number % 3),
        roles: vec!["admin".into()],
        scopes: Vec::new(),
        user: Some(br#"{"id":1}"#.to_vec()),
        created_at: 100,
        auth_time: 100,
        ends_at: 5_000,
        expires_at: 1_000 + u64::from(number),
        generation: 0,
        rotated_at: 100,
        refresh_id: TokenId::from_bytes([number; 16]),
        access_id: TokenId::from_bytes([0xac; 16]),
        ended: Vec::new(),
        device: Device::default(),
        last_address: None,
        adopted: false,
        revoked: None,
    }
}

const LOGOUT: Revocation = Revocation { at: 200, reason: Reason::Logout };

const SUCCESSOR: Successor = Successor {
    refresh: TokenId::from_bytes([0xee; 16]),
    access: TokenId::from_bytes([0xef; 16]),
    address: None,
};

fn replacing(replaces: Vec<SessionId>) -> Opening {
    Opening { replaces, ..Opening::default() }
}

fn presented(number: u8) -> Presented {
    Presented {
        session: SessionId::from_bytes([number; 16]),
        generation: 0,
        now: 300,
        policy: RotationPolicy { grace: Duration::from_secs(30), refresh_ttl: Duration::from_secs(1_000) },
        successor: SUCCESSOR,
        register: None,
    }
}

async fn open(path: &Path) -> SledStore {
    SledStore::open(path).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn put(store: &SledStore, numbers: std::ops::Range<u8>) {
    for number in numbers {
        store.insert(session(number), Opening::default()).await.unwrap();
    }
}

/// Every file below a directory: its bytes and its mode.
fn files(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), (Vec::new(), mode(&path)));
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), (fs::read(&path).unwrap(), mode(&path)));
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn memory_conforms() {
    bounded(conformance::run(async || MemoryStore::new()));
}

#[test]
fn sled_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let opened = AtomicUsize::new(0);
    bounded(conformance::run(|| {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        let path = dir.path().join(number.to_string());
        async move { open(&path).await }
    }));
    assert!(opened.into_inner() >= 10, "each rule has a store of its own");
}

/// R-1: what was written is there after the store was closed, and closing frees the directory at once.
#[test]
fn r_1_a_reopened_store_holds_the_same() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut expected = Vec::new();
        for round in 0..5 {
            let store = open(&path).await;
            for session in &expected {
                let session: &Session = session;
                assert_eq!(store.load(session.id).await.unwrap().as_deref(), Some(session), "round {round}");
            }
            put(&store, round * 10..round * 10 + 10).await;
            store.revoke(session(round * 10).id, LOGOUT).await.unwrap();
            store.rotate(presented(round * 10 + 1)).await.unwrap();
            store.update_user("subject-2".into(), UserUpdate::default(), 400).await.unwrap();
            let swept = store.sweep(1_002 + u64::from(round), 100).await.unwrap();
            assert!(!swept.more, "round {round}");
            expected.clear();
            for subject in 0..3 {
                expected.extend(store.sessions_of(format!("subject-{subject}")).await.unwrap());
            }
        }
        assert_eq!(expected.len(), 50 - 6, "numbers 0 to 6 have expired, and 1 was rotated in time");
    });
}

/// An id that is already there, twice in one list, or its own replacement: the books still balance.
#[test]
fn r_7_odd_calls_do_not_make_the_store_look_damaged() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("store")).await;
        put(&store, 0..4).await;
        let again = Session { expires_at: 2_000, subject: "subject-2".into(), ..session(0) };
        store.insert(again.clone(), replacing(vec![again.id])).await.unwrap();
        store.insert(session(4), replacing(vec![session(1).id; 3])).await.unwrap();
        store.insert(session(4), Opening::default()).await.unwrap();
        drop(store);
        let store = open(&dir.path().join("store")).await;
        assert_eq!(store.load(again.id).await.unwrap().as_deref(), Some(&again));
        assert_eq!(store.sessions_of("subject-0".into()).await.unwrap(), [session(3)]);
    });
}

/// R-8: the second process is refused by name of the path, and the first one goes on.
#[test]
fn r_8_a_second_opener_is_refused_and_the_first_unharmed() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("sessions");
        let server = crate::quickstart().data(data.path()).start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);

        let here = SledStore::open(&path).await;
        assert!(matches!(&here, Err(StoreError::Locked { path: named }) if *named == path), "{here:?}");
        let (code, said) = crate::quickstart().data(data.path()).fail();
        assert_eq!(code, Some(1));
        assert!(said.contains(path.to_str().unwrap()) && said.contains("in use"), "{said}");

        assert_eq!(browser.login("bob", "builder").await.status(), 200, "the first one still writes");
        server.kill();
        let store = open(&path).await;
        let second = SledStore::open(&path).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })), "in one process: {second:?}");
        assert_eq!(store.sessions_of("2".into()).await.unwrap().len(), 1);
    });
}

/// R-4: private whatever the umask says, from the first moment on and after sweeps and restarts.
#[test]
fn r_4_directory_and_files_are_private() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let umask = ["sh", "-c", "umask 0; exec \"$0\""];
        let assert_private = |when: &str| {
            let found = files(data.path());
            assert!(found.keys().any(|path| path.ends_with("sessions.journal")), "{when}: a journal");
            for (path, (_, mode)) in &found {
                let wanted = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(*mode, wanted, "{when}: {path:?} has {mode:o}");
            }
        };
        for round in 0..3 {
            let server = crate::quickstart().data(data.path()).wrapped(&umask).start();
            assert_private("at start");
            let browser = Browser::new(&server.url);
            assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
            for _ in 0..50 {
                browser.post("/refresh").await;
            }
            assert_private("after writes");
            if round == 1 {
                server.kill();
            } else {
                assert!(server.terminate().0.success());
            }
            assert_private("at rest");
        }
    });
}

/// R-4: also after a sweep, with records as large as they may be.
#[test]
fn r_4_large_records_and_sweeps_leave_nothing_readable() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let store = open(&path).await;
        for number in 0..40 {
            let user = Some(vec![b' '; 60_000]);
            store.insert(Session { user, ..session(number) }, Opening::default()).await.unwrap();
        }
        for when in ["before the sweep", "after it"] {
            let found = files(data.path());
            assert!(
                found.keys().any(|path| path.parent().unwrap().ends_with("blobs")),
                "pages beside the log"
            );
            for (path, (_, mode)) in found {
                let wanted = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(mode, wanted, "{when}: {path:?} has {mode:o}");
            }
            store.sweep(1_019, 100).await.unwrap();
        }
        drop(store);
        assert_eq!(open(&path).await.sessions_of("subject-0".into()).await.unwrap().len(), 7);
    });
}

/// R-4: what somebody opened up is closed again.
#[test]
fn r_4_an_open_directory_is_tightened() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let empty = data.path().join("empty");
        fs::create_dir(&empty).unwrap();
        put(&open(&path).await, 0..3).await;
        for (path, wide) in [(&path, 0o755), (&path.join("db"), 0o644), (&empty, 0o755)] {
            fs::set_permissions(path, Permissions::from_mode(wide)).unwrap();
        }
        fs::set_permissions(data.path().join("store.journal"), Permissions::from_mode(0o644)).unwrap();
        for dir in [&path, &empty] {
            drop(open(dir).await);
        }
        for (path, (_, mode)) in files(data.path()) {
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?} has {mode:o}");
        }
    });
}

/// What is not a session store is refused and left exactly as it was, down to its modes.
#[test]
fn r_4_somebody_elses_directory_is_left_alone() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let documents = data.path().join("documents");
        fs::create_dir(&documents).unwrap();
        fs::write(documents.join("thesis.tex"), "years of work").unwrap();
        let database = data.path().join("database");
        let theirs = tests::raw::open(&database);
        theirs.insert("a key", "of somebody else").unwrap();
        drop(theirs);
        for dir in [&documents, &database] {
            fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
            let before = files(data.path());
            let opened = SledStore::open(dir.as_path()).await;
            assert!(
                matches!(&opened, Err(StoreError::NotAStore { path, .. }) if path == dir),
                "{dir:?}: {opened:?}"
            );
            assert!(files(data.path()) == before, "{dir:?} was changed");
            assert_eq!(mode(dir), 0o755);
        }
    });
}

/// R-7, F-11: a logout must not be undone by yesterday's files.
#[test]
fn r_7_an_old_backup_is_refused_each_time() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let (path, backup) = (data.path().join("store"), data.path().join("backup"));
        put(&open(&path).await, 0..3).await;
        copy(&path, &backup);
        let store = open(&path).await;
        assert!(store.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(store);
        fs::remove_dir_all(&path).unwrap();
        copy(&backup, &path);
        for attempt in 0..3 {
            let opened = SledStore::open(&path).await;
            assert!(
                matches!(&opened, Err(StoreError::RolledBack { path: named, lost: 1 }) if *named == path),
                "attempt {attempt}: {opened:?}"
            );
        }
        // What sled may do to its log while it looks costs no session: under another name it is a store.
        let moved = data.path().join("moved");
        copy(&path, &moved);
        assert_eq!(open(&moved).await.load(session(1).id).await.unwrap().as_deref(), Some(&session(1)));
    });
}

/// R-7: one record as it was before its last change. The bytes are well-formed and the counts are right.
///
/// Bad sectors did this to 2 of 600 stores: sled fell back to an older state of one page, and a
/// session that had been logged out was alive again.
#[test]
fn r_7_an_older_state_of_one_record_is_noticed() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&open(&path).await, 0..3).await;
        let key = [b"s", session(1).id.as_bytes().as_slice()].concat();
        let raw = tests::raw::open(&path);
        let before = raw.get(&key).unwrap().expect("the record is there");
        drop(raw);
        assert!(open(&path).await.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(open(&path).await);

        let raw = tests::raw::open(&path);
        assert!(raw.insert(&key, before).unwrap().is_some());
        drop(raw);
        let opened = SledStore::open(&path).await;
        assert!(matches!(opened, Err(StoreError::Corrupt { .. })), "{opened:?}");
    });
}

/// To remove the directory is the documented way to start empty. It is said aloud.
#[test]
fn a_removed_directory_is_made_anew_with_a_warning() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
        let access = browser.cookie("access_token").unwrap();
        assert!(server.terminate().0.success());
        fs::remove_dir_all(data.path().join("sessions")).unwrap();
        let server = program.start();
        let me = Browser::new(&server.url).request(Method::GET, "/me").bearer_auth(access).send().await;
        let me = me.unwrap();
        assert_eq!(me.status(), 401, "its session is gone");
        let (_, log) = server.terminate();
        assert!(log.contains("WARN") && log.contains("all sessions have ended"), "{log}");
    });
}

/// R-3: nothing in the files can be used to log in: no token, no part of one, no cookie.
#[test]
fn r_3_no_token_is_ever_in_the_files() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1").start();
        let mut tokens = Vec::new();
        for user in [("alice", "wonderland"), ("bob", "builder")] {
            let browser = Browser::new(&server.url);
            assert_eq!(browser.login(user.0, user.1).await.status(), 200);
            for _ in 0..5 {
                tokens.extend(["access_token", "refresh_token"].map(|name| browser.cookie(name).unwrap()));
                assert_eq!(browser.post("/refresh").await.status(), 204);
            }
        }
        assert_eq!(tokens.len(), 20);
        let mut needles: Vec<Vec<u8>> = vec![b"wonderland".to_vec(), b"argon2".to_vec()];
        for token in &tokens {
            let parts: Vec<&str> = token.split('.').collect();
            assert_eq!(parts.len(), 3, "a compact JWS");
            needles.push(parts[1].as_bytes()[..24].to_vec());
            needles.push(parts[2].into());
            needles.push(decode(parts[2]));
        }
        let secret = fs::read(data.path().join("secret")).unwrap();
        needles.push(secret[..16].to_vec());
        let search = |when: &str| {
            let mut searched = 0;
            for (path, (bytes, _)) in files(&data.path().join("sessions")) {
                searched += bytes.len();
                for needle in &needles {
                    let found = bytes.windows(needle.len()).any(|window| window == needle);
                    assert!(!found, "{when}: {path:?} holds {:?}", String::from_utf8_lossy(needle));
                }
            }
            assert!(searched > 1_000, "{when}: there was something to search");
        };
        search("while it runs");
        let alice = files(&data.path().join("sessions"));
        assert!(
            alice.values().any(|(bytes, _)| bytes.windows(7).any(|window| window == b"\"alice\"")),
            "the search finds what is there"
        );
        assert!(server.terminate().0.success());
        search("at rest");
    });
}

/// Decodes unpadded base64url.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut have, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter).expect("base64url");
        bits = bits << 6 | u32::try_from(value).unwrap();
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have & 0xff) as u8);
        }
    }
    bytes
}

/// Runs the probe; `None` if it hung. Returns its exit code and what it printed.
fn probe(args: &[&str]) -> Option<(Option<i32>, String)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_store_probe"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let said = thread::spawn(move || {
        let mut said = String::new();
        stdout.read_to_string(&mut said).map(|_| said)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    Some((status.code(), said.join().unwrap().unwrap()))
}

/// Damages one file of a store in one way.
fn damage(store: &Path, kind: &str, random: &mut Numbers) -> String {
    const BLOCK: usize = 4096;
    let all: Vec<PathBuf> =
        files(store).into_iter().filter(|(_, (b, _))| !b.is_empty()).map(|f| f.0).collect();
    let db = store.join("store/db");
    let picked = if random.below(3) > 0 { db } else { all[random.below(all.len() as u64) as usize].clone() };
    let file = OpenOptions::new().read(true).write(true).open(&picked).unwrap();
    let len = file.metadata().unwrap().len();
    let mut at = random.below(len);
    let block = |from: u64| {
        let mut block = vec![0; BLOCK.min((len - from) as usize)];
        file.read_exact_at(&mut block, from).map(|()| block)
    };
    match kind {
        "flip" => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ (1 << random.below(8))], at).unwrap();
        }
        "cut" => file.set_len(at).unwrap(),
        "zero" => file.write_all_at(&vec![0; block(at).unwrap().len()], at).unwrap(),
        "garbage" => {
            let garbage: Vec<u8> = block(at).unwrap().iter().map(|_| random.below(256) as u8).collect();
            file.write_all_at(&garbage, at).unwrap();
        }
        "swap" => {
            at -= at % BLOCK as u64;
            let other = random.below(len) / BLOCK as u64 * BLOCK as u64;
            let (one, two) = (block(at).unwrap(), block(other).unwrap());
            file.write_all_at(&one, other).unwrap();
            file.write_all_at(&two, at).unwrap();
            file.set_len(len).unwrap();
        }
        "empty" => file.set_len(0).unwrap(),
        "delete" => fs::remove_file(&picked).unwrap(),
        other => panic!("{other} is no kind of damage"),
    }
    format!("{kind} of {picked:?} at {at} of {len}")
}

/// R-6, R-7, F-9: whatever happens to the files, the store is whole or it is refused with a typed error,
/// the first time and the second.
#[test]
fn r_7_damage_is_refused_or_without_effect() {
    const ROUNDS: u64 = 45;
    let dir = tempfile::tempdir().unwrap();
    let pristine = dir.path().join("pristine");
    fs::create_dir(&pristine).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (code, said) = probe(&["write", &text(&pristine), "800"]).unwrap();
    assert!(code == Some(0) && said.ends_with("ACK 800\n"), "{code:?}");
    // Half of the copies are of a store that was opened once more, and so has a snapshot.
    let reopened = dir.path().join("reopened");
    copy(&pristine, &reopened);
    let whole = (Some(0), "n=400 max=800\n".to_owned());
    assert_eq!(probe(&["read", &text(&reopened)]), Some(whole.clone()));

    let mut random = Numbers::seeded(7);
    let (mut refused, mut intact) = (0, 0);
    for kind in ["flip", "cut", "zero", "garbage", "swap", "empty", "delete"] {
        for round in 0..ROUNDS {
            let copied = dir.path().join("copy");
            copy(if round % 2 == 0 { &pristine } else { &reopened }, &copied);
            let what = damage(&copied, kind, &mut random);
            for attempt in ["first", "second"] {
                match probe(&["read", &text(&copied)]) {
                    Some(read) if read == whole => intact += 1,
                    Some((Some(3), said)) => {
                        let name = said.split(':').next().unwrap_or_default();
                        assert!(
                            ["Corrupt", "RolledBack", "NotAStore"].contains(&name),
                            "{what}, {attempt} time: {said}"
                        );
                        refused += 1;
                    }
                    other => panic!("{what}, {attempt} time: {other:?}"),
                }
            }
            fs::remove_dir_all(&copied).unwrap();
        }
    }
    assert!(refused > 100 && intact > 50, "{refused} refused, {intact} intact: the damage does something");
}

/// A directory that holds only what a process killed at its start could leave is a new store.
#[test]
fn an_unfinished_start_is_finished() {
    bounded_by(Duration::from_secs(20), async {
        for len in [0, 10] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("store");
            put(&open(&path).await, 0..1).await;
            let mark = fs::read(path.join("jwtauth")).unwrap();
            fs::remove_dir_all(&path).unwrap();
            fs::remove_file(dir.path().join("store.journal")).unwrap();
            fs::create_dir(&path).unwrap();
            fs::write(path.join("jwtauth"), &mark[..len]).unwrap();
            File::create(path.join("probe")).unwrap();
            put(&open(&path).await, 0..1).await;
            assert_eq!(open(&path).await.load(session(0).id).await.unwrap().as_deref(), Some(&session(0)));
        }
    });
}

/// J-24: whatever readers have in hand, the next read after an answer sees what was answered.
#[test]
fn j_24_a_change_is_seen_by_the_next_read() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SledStore::open(directory.path().join("store")).await.unwrap());
        let done = Arc::new(AtomicBool::new(false));
        let watched = session(0);
        store.insert(watched.clone(), Opening::default()).await.unwrap();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (store, done, id) = (Arc::clone(&store), Arc::clone(&done), watched.id);
                thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let (mut newest, mut reads) = (0, 0);
                        while !done.load(Ordering::SeqCst) {
                            let generation = store.load(id).await.unwrap().unwrap().generation;
                            assert!(generation >= newest, "{generation} after {newest}");
                            newest = generation;
                            reads += 1;
                        }
                        reads
                    })
                })
            })
            .collect();
        for generation in 0..400 {
            let policy = RotationPolicy { grace: Duration::ZERO, refresh_ttl: Duration::from_secs(1_000) };
            let presented = Presented { session: watched.id, generation, now: 100, policy, ..presented(0) };
            store.rotate(presented).await.unwrap().unwrap();
            let seen = store.load(watched.id).await.unwrap().unwrap().generation;
            assert_eq!(seen, generation + 1);
        }
        assert!(store.revoke(watched.id, Revocation { at: 100, reason: Reason::Logout }).await.unwrap());
        assert!(store.load(watched.id).await.unwrap().unwrap().revoked.is_some());
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap() > 1_000, "there were readers");
        }
    });
}
