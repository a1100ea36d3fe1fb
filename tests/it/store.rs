//! The stores over their public API: the conformance suite, and what the embedded one promises of its files.

mod compaction;
mod damage;
mod kill;
mod layouts;
mod locks;
mod power;
mod power_cuts;
mod private;
mod repairing;
mod restoring;
mod self_compaction;
mod snapshots;
mod upgrade;
mod verifying;
mod volume;
mod volume_rights;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::error::StoreError;
use jwtauth::store::{
    LoginEffects, Revocation, RotationPolicy, RotationRequest, SessionStore, Successor, UserUpdate,
    conformance,
};
use jwtauth::{MemoryStore, RevocationReason, Session, SessionId, SledConfig, SledStore, TokenId, testing};
use reqwest::Method;
use tests::browser::Browser;
use tests::numbers::Numbers;
use tests::raw::copy;
use tests::{bounded, bounded_by};

pub(crate) use layouts::crc_32;

fn session(number: u8) -> Session {
    let mut session = testing::session(number, &format!("subject-{}", number % 3));
    session.expires_at = 1_000 + u64::from(number);
    session
}

const LOGOUT: Revocation = Revocation { at: 200, reason: RevocationReason::Logout };

const SUCCESSOR: Successor = Successor::new(TokenId::from_bytes([0xee; 16]), TokenId::from_bytes([0xef; 16]));

fn replacing(replaces: Vec<SessionId>) -> LoginEffects {
    let mut effects = LoginEffects::default();
    effects.replaces = replaces;
    effects
}

fn presented(number: u8) -> RotationRequest {
    let policy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));
    RotationRequest::new(SessionId::from_bytes([number; 16]), 0, 300, policy, SUCCESSOR)
}

async fn open(path: &Path) -> SledStore {
    SledStore::open(path).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn put(store: &SledStore, numbers: std::ops::Range<u8>) {
    for number in numbers {
        store.insert(session(number), LoginEffects::default()).await.unwrap();
    }
}

/// Returns the sessions 0 to 4, which are all there.
async fn all(path: &Path) -> Vec<Session> {
    let store = open(path).await;
    let mut all = Vec::new();
    for number in 0..5 {
        all.push((*store.load(session(number).id).await.unwrap().unwrap()).clone());
    }
    all
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
            let bytes = if is_socket(&path) { Vec::new() } else { fs::read(&path).unwrap() };
            found.insert(path.clone(), (bytes, mode(&path)));
        }
    }
    found
}

/// The socket of a running server: there is nothing to read in it.
fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().file_type().is_socket()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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

/// what was written is there after the store was closed, and closing frees the directory at once.
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
            store.update_user("subject-2".into(), UserUpdate::default()).await.unwrap();
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
        let mut again = session(0);
        (again.expires_at, again.subject) = (2_000, "subject-2".into());
        store.insert(again.clone(), replacing(vec![again.id])).await.unwrap();
        store.insert(session(4), replacing(vec![session(1).id; 3])).await.unwrap();
        store.insert(session(4), LoginEffects::default()).await.unwrap();
        drop(store);
        let store = open(&dir.path().join("store")).await;
        assert_eq!(store.load(again.id).await.unwrap().as_deref(), Some(&again));
        assert_eq!(store.sessions_of("subject-0".into()).await.unwrap(), [session(3)]);
    });
}

/// the second process is refused by name of the path, and the first one goes on.
#[test]
fn r_8_a_second_opener_is_refused_and_the_first_unharmed() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("sessions");
        let server = crate::quickstart().data(data.path()).start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);

        let at_once = || SledConfig::new(&path).lock_timeout(Duration::ZERO);
        let here = SledStore::open(at_once()).await;
        assert!(matches!(&here, Err(StoreError::Locked { path: named }) if *named == path), "{here:?}");
        let (code, said) = crate::quickstart().data(data.path()).fail();
        assert_eq!(code, Some(1));
        assert!(said.contains(path.to_str().unwrap()) && said.contains("is open already"), "{said}");

        assert_eq!(browser.login("bob", "builder").await.status(), 200, "the first one still writes");
        server.kill();
        let store = open(&path).await;
        let second = SledStore::open(at_once()).await;
        assert!(matches!(second, Err(StoreError::Locked { .. })), "in one process: {second:?}");
        assert_eq!(store.sessions_of("2".into()).await.unwrap().len(), 1);
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

/// J-24: whatever readers have in hand, the next read after an answer sees what was answered.
#[test]
fn j_24_a_change_is_seen_by_the_next_read() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SledStore::open(directory.path().join("store")).await.unwrap());
        let done = Arc::new(AtomicBool::new(false));
        let watched = session(0);
        store.insert(watched.clone(), LoginEffects::default()).await.unwrap();
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
            let policy = RotationPolicy::new(Duration::ZERO, Duration::from_secs(1_000));
            let request = RotationRequest::new(watched.id, generation, 100, policy, SUCCESSOR);
            store.rotate(request).await.unwrap().unwrap();
            let seen = store.load(watched.id).await.unwrap().unwrap().generation;
            assert_eq!(seen, generation + 1);
        }
        assert!(
            store.revoke(watched.id, Revocation { at: 100, reason: RevocationReason::Logout }).await.unwrap()
        );
        assert!(store.load(watched.id).await.unwrap().unwrap().revoked.is_some());
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap() > 1_000, "there were readers");
        }
    });
}
