//! Who has a store open, and what a file system says that has no locks, no hard links, or syncs no directory.

use super::*;

fn can_trace() -> bool {
    let can =
        Command::new("strace").args(["-f", "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: needs strace");
    }
    can
}

/// M-15: the next process waits for the one before it, as long as it is told to.
#[test]
fn m_15_open_waits_for_the_lock_as_long_as_is_set() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        let first = open(&path).await;
        put(&first, 0..1).await;
        let start = Instant::now();
        let refused = SledStore::open(SledConfig::new(&path).lock_timeout(Duration::ZERO)).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(2), "it is tried once");
        assert!(matches!(&refused, StoreError::Locked { path: named } if *named == path), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("`Recreate`") && said.contains("stop the other one first"), "{said}");
        let waiting = SledStore::open(SledConfig::new(&path).lock_timeout(Duration::from_millis(800))).await;
        assert!(matches!(waiting, Err(StoreError::Locked { .. })), "{waiting:?}");
        assert!(start.elapsed() >= Duration::from_millis(800));

        let patient = SledConfig::new(&path).lock_timeout(Duration::from_secs(30));
        let next = tokio::spawn(SledStore::open(patient));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!next.is_finished());
        drop(first);
        let next = next.await.unwrap().unwrap();
        assert!(next.load(session(0).id).await.unwrap().is_some(), "it sees all that was answered");
    });
}

/// M-15: a process of an earlier release, which has only sled's lock.
#[test]
fn m_15_the_lock_of_an_earlier_release_counts_too() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&open(&path).await, 0..1).await;
        let raw = tests::raw::open(&path);
        let opened = SledStore::open(SledConfig::new(&path).lock_timeout(Duration::from_millis(100))).await;
        assert!(matches!(opened, Err(StoreError::Locked { .. })), "{opened:?}");
        drop(raw);
        drop(open(&path).await);
    });
}

/// Opens a store while the system refuses a call.
fn probe(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(arguments)
        .args([Path::new(env!("CARGO_BIN_EXE_store_probe")), Path::new("read"), dir])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// M-10: no lock to be had is not a lock that another process has.
#[test]
fn m_10_a_file_system_without_locks_is_named() {
    if !can_trace() {
        return;
    }
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        put(&open(&dir.path().join("store")).await, 0..1).await;
        // The first lock is ours, the second one is sled's.
        for (error, when, says) in [
            ("ENOLCK", "1+", "has no locks"),
            ("ENOLCK", "2", "has no locks"),
            ("EOPNOTSUPP", "1+", "has no locks"),
            ("EIO", "1+", "cannot lock it"),
            ("EIO", "2", "cannot lock it"),
        ] {
            let inject = format!("inject=flock:error={error}:when={when}");
            let start = Instant::now();
            let (code, said) = probe(dir.path(), &["-e", &inject]);
            assert_eq!(code, Some(3), "{inject}: {said}");
            assert!(said.starts_with("Io:") && said.contains(says), "{inject}: {said}");
            assert!(!said.contains("open already"), "{inject}: {said}");
            assert!(start.elapsed() < Duration::from_secs(4), "{inject}: there is nothing to wait for");
        }
        let (code, said) = probe(dir.path(), &["-e", "inject=flock:error=EAGAIN"]);
        assert!(code == Some(3) && said.starts_with("Locked:"), "{said}");
        drop(open(&dir.path().join("store")).await);
    });
}

/// M-10: exFAT and SMB sync no directory. Files are synced all the same, so the store goes on. A disk that
/// fails is another matter.
#[test]
fn m_10_a_directory_that_cannot_be_synced_is_no_failure() {
    if !can_trace() {
        return;
    }
    bounded(async {
        for error in ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EBADF", "EISDIR"] {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            fs::create_dir(&store).unwrap();
            let inject = format!("inject=fsync:error={error}");
            let only =
                [dir.path(), &store, &store.join("blobs")].map(|path| path.to_str().unwrap().to_owned());
            let (code, said) =
                probe(dir.path(), &["-P", &only[0], "-P", &only[1], "-P", &only[2], "-e", &inject]);
            assert_eq!((code, said.as_str()), (Some(0), "n=0 max=0\n"), "{error}");
            put(&open(&store).await, 0..1).await;
            let (code, said) = probe(dir.path(), &["-P", &only[1], "-e", "inject=fsync:error=EIO"]);
            assert!(code == Some(3) && said.contains("bring its files to disk"), "{said}");
        }
    });
}

/// M-10: the file of a secret is made where there are no hard links, once, and is private.
#[test]
fn m_10_a_secret_file_needs_no_hard_links() {
    if !can_trace() {
        return;
    }
    bounded(async {
        for error in ["EPERM", "EOPNOTSUPP", "ENOSYS", "EXDEV", "EMLINK"] {
            let data = tempfile::tempdir().unwrap();
            let links = format!("inject=?link,linkat:error={error}");
            // It ends by itself, as soon as it would listen.
            let program = crate::quickstart().data(data.path()).env("JWTAUTH_ADDR", "nowhere");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &links];
            let (code, said) = program.wrapped(&strace).fail();
            assert_eq!(code, Some(1), "{error}: {said}");
            let secret = fs::read(data.path().join("secret")).unwrap();
            assert_eq!((secret.len(), mode(&data.path().join("secret"))), (65, 0o600), "{error}");
            assert_eq!(fs::read_dir(data.path()).unwrap().count(), 2, "{error}: nothing is left over");
        }
    });
}

/// M-10: a process that was killed while it made the file left it empty.
#[test]
fn m_10_an_empty_secret_file_is_filled() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        // With whatever mode it has: there is nothing in it to read.
        File::create(data.path().join("secret")).unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        assert!(program.start().terminate().0.success());
        let secret = fs::read(data.path().join("secret")).unwrap();
        assert_eq!((secret.len(), mode(&data.path().join("secret"))), (65, 0o600));
        assert!(program.start().terminate().0.success());
        assert_eq!(fs::read(data.path().join("secret")).unwrap(), secret);
    });
}
