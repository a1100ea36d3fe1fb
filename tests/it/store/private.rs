//! What nobody else may read: modes of files, and what is never in them.

use super::*;

/// private whatever the umask says, from the first moment on and after sweeps and restarts.
#[test]
fn r_4_directory_and_files_are_private() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let umask = ["sh", "-c", "umask 0; exec \"$0\""];
        let assert_private = |when: &str| {
            let found = files(data.path());
            assert!(found.keys().any(|path| path.ends_with("sessions/journal")), "{when}: a journal");
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

/// also after a sweep, with records as large as they may be.
#[test]
fn r_4_large_records_and_sweeps_leave_nothing_readable() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let store = open(&path).await;
        for number in 0..40 {
            let mut session = session(number);
            session.user = Some(vec![b' '; 60_000]);
            store.insert(session, LoginEffects::default()).await.unwrap();
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

/// what somebody opened up is closed again.
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
        fs::set_permissions(path.join("journal"), Permissions::from_mode(0o644)).unwrap();
        for dir in [&path, &empty] {
            drop(open(dir).await);
        }
        for (path, (_, mode)) in files(data.path()) {
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?} has {mode:o}");
        }
    });
}

/// nothing in the files can be used to log in: no token, no part of one, no cookie.
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
