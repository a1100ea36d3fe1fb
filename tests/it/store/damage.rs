//! What is refused at start: old backups, damaged files, files of somebody else.

use super::*;

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

/// R-7, F-11: a logout must not be undone by yesterday's data, nor, with a counter in another place, by
/// yesterday's directory.
#[test]
fn r_7_an_old_backup_is_refused_each_time() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let (path, backup) = (data.path().join("store"), data.path().join("backup"));
        let counted = || SledConfig::new(&path).rollback_counter(data.path().join("counter"));
        put(&SledStore::open(counted()).await.unwrap(), 0..3).await;
        copy(&path, &backup);
        let store = SledStore::open(counted()).await.unwrap();
        assert!(store.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(store);
        let journal = fs::read(path.join("journal")).unwrap();
        for whole in [true, false] {
            fs::remove_dir_all(&path).unwrap();
            copy(&backup, &path);
            if !whole {
                fs::write(path.join("journal"), &journal).unwrap();
            }
            for attempt in 0..3 {
                let opened = SledStore::open(if whole { counted() } else { SledConfig::new(&path) }).await;
                assert!(
                    matches!(&opened, Err(StoreError::RolledBack { path: named, lost: 1, .. }) if *named == path),
                    "whole: {whole}, attempt {attempt}: {opened:?}"
                );
            }
        }
        // What sled may do to its log while it looks costs no session: with its own journal it is a store.
        fs::copy(backup.join("journal"), path.join("journal")).unwrap();
        assert_eq!(open(&path).await.load(session(1).id).await.unwrap().as_deref(), Some(&session(1)));
    });
}

/// one record as it was before its last change. The bytes are well-formed and the counts are right.
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

/// To remove the directory is the documented way to start empty, also with a counter in another place.
#[test]
fn a_removed_directory_is_made_anew() {
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
        assert_eq!(me.unwrap().status(), 401, "its session is gone");
        assert!(server.terminate().0.success());

        let path = data.path().join("counted");
        let counted = || SledConfig::new(&path).rollback_counter(data.path().join("counter"));
        put(&SledStore::open(counted()).await.unwrap(), 0..3).await;
        fs::remove_dir_all(&path).unwrap();
        let store = SledStore::open(counted()).await.unwrap();
        assert!(store.load(session(1).id).await.unwrap().is_none());
    });
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

/// F-9: whatever happens to the files, the store is whole or it is refused with a typed error,
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
                            ["Corrupt", "Missing", "RolledBack", "NotAStore"].contains(&name),
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
            fs::create_dir(&path).unwrap();
            fs::write(path.join("jwtauth"), &mark[..len]).unwrap();
            File::create(path.join("probe")).unwrap();
            File::create(path.join("lock")).unwrap();
            put(&open(&path).await, 0..1).await;
            assert_eq!(open(&path).await.load(session(0).id).await.unwrap().as_deref(), Some(&session(0)));
        }
    });
}
