//! Refusals of `open` that no repair ends: each one says what does, and whoever does it has a server that serves.

use std::time::Duration;

use jwtauth::error::StoreError;

use super::*;

/// Makes a store and a backup of it.
async fn backed_up(folder: &Path) -> (PathBuf, PathBuf) {
    let (path, backup) = (folder.join("store"), folder.join("backup"));
    make(&path, 5).await;
    let done = run(&path, "", &["backup", backup.to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
    (path, backup)
}

/// Does what a message says, with the backup that is there.
fn restore(said: &str, backup: &Path) -> Run {
    typed(&command_in(said, "jwtauth restore").replace("BACKUP", backup.to_str().unwrap()))
}

async fn refused(path: &Path) -> StoreError {
    SledStore::open(path).await.expect_err("it is refused")
}

/// Does the first thing that a doctor says to do, or the one that has these words in it.
fn next(path: &Path, has: &str) -> String {
    let looked = run(path, "", &["doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_str(looked.out.trim()).unwrap();
    let all = json["next"].as_array().unwrap();
    let found = all.iter().filter_map(|next| next.as_str()).find(|next| next.contains(has));
    found.unwrap_or_else(|| panic!("{has}: {looked:?}")).to_owned()
}

#[test]
fn a_data_file_that_is_missing_is_restored() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        fs::remove_file(path.join("db")).unwrap();
        let error = refused(&path).await;
        assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
        assert_eq!(restore(&error.to_string(), &backup).code, 0);
        assert!(logs_in(&path, "alice", PASSWORD).await);

        // Without a backup, what is named is removed.
        fs::remove_file(path.join("db")).unwrap();
        let error = refused(&path).await;
        let StoreError::Missing { counter, .. } = &error else { panic!("{error:?}") };
        assert!(error.to_string().ends_with(&format!("remove {counter:?}")), "{error}");
        fs::remove_file(counter).unwrap();
        drop(SledStore::open(&path).await.unwrap());
        assert!(!logs_in(&path, "alice", PASSWORD).await);
    });
}

#[test]
fn a_directory_with_old_files_only_is_restored_or_takes_them_back() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        // A restore in the place of a store sets that aside. Then somebody removes what is beside it.
        let done = run(&path, "", &["restore", backup.to_str().unwrap(), "--yes"]);
        assert_eq!(done.code, 0, "{done:?}");
        for entry in fs::read_dir(&path).unwrap().map(Result::unwrap) {
            match entry.file_name().to_str().unwrap() {
                "aside" => {}
                _ if entry.path().is_dir() => fs::remove_dir_all(entry.path()).unwrap(),
                _ => fs::remove_file(entry.path()).unwrap(),
            }
        }
        let left = folder.path().join("left");
        copy(&path, &left);

        let said = refused(&path).await.to_string();
        assert_eq!(typed(command_in(&said, "jwtauth doctor")).code, 1, "{said}");
        let done = typed(&next(&path, "restore BACKUP").replace("BACKUP", backup.to_str().unwrap()));
        assert_eq!(done.code, 0, "{done:?}");
        assert!(logs_in(&path, "alice", PASSWORD).await);

        let done = typed(&next(&left, "--from-aside restored"));
        assert_eq!((done.code, done.out.contains("Everybody was logged out")), (0, true), "{done:?}");
        assert!(!logs_in(&left, "alice", PASSWORD).await, "nobody knows whether she was disabled since");
        assert_eq!(run(&left, "", &["accounts", "enable", "alice"]).code, 0);
        assert!(logs_in(&left, "alice", PASSWORD).await);
        assert!(left.join("aside/restored/db").is_file(), "they are still there");
    });
}

#[test]
fn a_store_without_its_mark_is_repaired_or_restored() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        fs::remove_file(path.join("jwtauth")).unwrap();
        let bare = folder.path().join("bare");
        copy(&path, &bare);
        let error = refused(&path).await;
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
        assert_eq!(typed(command_in(&error.to_string(), "jwtauth doctor")).code, 1);
        let done = typed(&next(&path, "repair"));
        assert_eq!((done.code, done.out.contains("logged out")), (0, false), "{done:?}");
        assert!(logs_in(&path, "alice", PASSWORD).await);

        let asked = run(&bare, "", &["restore", backup.to_str().unwrap()]);
        assert_eq!((asked.code, asked.err.contains("add --yes")), (1, true), "{asked:?}");
        assert_eq!(typed(&next(&bare, "restore").replace("BACKUP", backup.to_str().unwrap())).code, 0);
        assert!(logs_in(&bare, "alice", PASSWORD).await);
    });
}

/// A directory of somebody else is left alone, and another one is a store.
#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (_, backup) = backed_up(folder.path()).await;
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("thesis.txt"), "of somebody").unwrap();
        let said = refused(&theirs).await.to_string();
        assert!(said.contains("a directory of its own"), "{said}");
        for command in
            [&["doctor"][..], &["repair", "--yes"], &["restore", backup.to_str().unwrap(), "--yes"]]
        {
            let done = run(&theirs, "", command);
            assert!(done.code > 0, "{command:?} {done:?}");
            assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1, "{command:?} {done:?}");
        }
        drop(SledStore::open(theirs.join("store")).await.unwrap());
    });
}

/// A restore that was killed before it was decided, on a machine without a store.
#[test]
fn a_restore_that_did_not_come_to_its_end_is_done_again() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        let half = folder.path().join("half");
        fs::create_dir(&half).unwrap();
        copy(&path, &half.join("new"));
        fs::copy(path.join("jwtauth"), half.join("jwtauth")).unwrap();
        let error = refused(&half).await;
        assert!(matches!(error, StoreError::Unfinished { .. }), "{error:?}");
        assert_eq!(restore(&error.to_string(), &backup).code, 0);
        assert!(logs_in(&half, "alice", PASSWORD).await);
    });
}

/// A power cut has left a part of the mark, which is the first file of a store.
#[test]
fn a_migration_and_a_restore_that_had_just_begun_are_done_again() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        let half = folder.path().join("half");
        let (from, to, backup) = (path.to_str().unwrap(), half.to_str().unwrap(), backup.to_str().unwrap());
        for mark in ["", "session store"] {
            for command in [&["migrate", "--keep-source", from, to][..], &["restore", backup, "--yes"]] {
                fs::create_dir(&half).unwrap();
                fs::write(half.join("jwtauth"), mark).unwrap();
                let done = run(&half, "", command);
                assert_eq!(done.code, 0, "{mark:?} {done:?}");
                assert!(logs_in(&half, "alice", PASSWORD).await, "{mark:?}");
                fs::remove_dir_all(&half).unwrap();
            }
        }
    });
}

/// New files were on their way to the place of the old ones, and what says how far that is makes no sense.
#[test]
fn a_damaged_exchange_is_repaired_at_any_step() {
    bounded_by(Duration::from_secs(240), async {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, path) =
            (folder.path().join("old"), folder.path().join("new"), folder.path().join("store"));
        make(&old, 3).await;
        make(&new, 6).await;
        drop(SledStore::open(&old).await.unwrap());
        let moved = |path: &Path| -> Vec<std::ffi::OsString> {
            let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.filter(|name| name != "jwtauth" && name != "lock").collect();
            names.sort();
            names
        };
        let (of_old, of_new) = (moved(&old), moved(&new));
        assert!(of_old.len() >= 4 && of_new.len() >= 4, "{of_old:?} {of_new:?}");
        for step in 0..=of_old.len() + of_new.len() {
            copy(&old, &path);
            copy(&new, &path.join("new"));
            for name in ["jwtauth", "lock"] {
                let _ = fs::remove_file(path.join("new").join(name));
            }
            let aside = path.join("aside/restored");
            fs::create_dir_all(&aside).unwrap();
            for name in &of_old[..step.min(of_old.len())] {
                fs::rename(path.join(name), aside.join(name)).unwrap();
            }
            for name in &of_new[..step.saturating_sub(of_old.len())] {
                fs::rename(path.join("new").join(name), path.join(name)).unwrap();
            }
            fs::write(path.join("swap"), [0; 20]).unwrap();
            let error = refused(&path).await;
            let said = error.to_string();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{step}: {error:?}");
            assert_eq!(run(&path, "", &["doctor"]).code, 1, "{step}");
            let done = typed(command_in(&said, "jwtauth repair"));
            assert_eq!(done.code, 0, "{step}: {done:?}");
            assert_eq!(
                run(&path, "", &["status", "--json"]).json()[0]["accounts"],
                6 + 2,
                "{step}: the new ones"
            );
            assert!(logs_in(&path, "alice", PASSWORD).await, "{step}");
            assert!(!path.join("swap").exists() && !path.join("new").exists(), "{step}");
            fs::remove_dir_all(&path).unwrap();
        }
    });
}

/// A start that was killed has left the copy of a damaged data file, and sled has cut that file.
#[test]
fn a_doctor_sees_the_copy_that_a_killed_start_has_left() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path) = (folder.path().join("pristine"), folder.path().join("store"));
        make(&pristine, 20).await;
        let bytes = fs::read(pristine.join("db")).unwrap();
        let at = bytes.windows(8).position(|window| window == b"user 007").unwrap();
        for bit in [0, 4] {
            flip(&pristine.join("db"), at as u64, bit);
        }
        copy(&pristine, &path);
        fs::create_dir(path.join("aside")).unwrap();
        fs::rename(path.join("db"), path.join("aside/db.unopened")).unwrap();
        fs::write(path.join("db"), &bytes[..at / 512 * 512]).unwrap();
        let (whole, left) = (doctor(&pristine), doctor(&path));
        assert!(whole.readable.accounts > 10, "{whole:?}");
        assert_eq!((left.condition, left.readable), (Condition::Damaged, whole.readable));
        assert!(path.join("aside/db.unopened").is_file(), "it changes nothing");
    });
}

/// Who begins with the program instead of the server is told what makes a store.
#[test]
fn a_directory_that_is_not_there_is_made_by_the_server() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let add =
            || run(&path, "through the looking glass\n", &["accounts", "add", "ann", "--role", "admin"]);
        let early = add();
        assert_eq!((early.code, early.err.contains("start the server once")), (1, true), "{early:?}");
        drop(jwtauth_on(SledStore::open(&path).await.unwrap()));
        assert_eq!(add().code, 0);
        assert!(logs_in(&path, "ann", PASSWORD).await);
    });
}

#[test]
fn a_store_that_is_open_is_free_when_the_other_one_ends() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        let held = SledStore::open(&path).await.unwrap();
        let error =
            SledStore::open(jwtauth::SledConfig::new(&path).lock_timeout(Duration::ZERO)).await.unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
        assert!(error.to_string().contains("stop the other one first"), "{error}");
        let restore = || run(&path, "", &["restore", backup.to_str().unwrap(), "--yes"]);
        let locked = restore();
        assert_eq!((locked.code, locked.err.contains("stop the server")), (3, true), "{locked:?}");
        drop(held);
        assert_eq!(restore().code, 0);
        assert!(logs_in(&path, "alice", PASSWORD).await);
    });
}

/// The program cannot start the newer release. It leaves the store as it is for that, and a backup of this release is
/// restored.
#[test]
fn a_store_of_a_newer_release_waits_for_it_or_is_restored() {
    bounded_by(Duration::from_secs(60), async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = backed_up(folder.path()).await;
        let raw = tests::raw::open(&path);
        let (key, mut bytes) =
            raw.scan_prefix(b"s").next().unwrap().map(|(k, v)| (k.to_vec(), v.to_vec())).unwrap();
        bytes[0] = 200;
        let sum = crate::store::crc_32(&[&[200], &key[..], &bytes[5..]].concat());
        bytes[1..5].copy_from_slice(&sum.to_le_bytes());
        raw.insert(&key, bytes).unwrap();
        raw.flush().unwrap();
        drop(raw);
        let before = fs::read(path.join("db")).unwrap();
        let error = refused(&path).await;
        assert!(matches!(error, StoreError::NewerLayout { .. }), "{error:?}");
        assert!(error.to_string().contains("start the release that wrote them, or a newer one"), "{error}");
        let looked = run(&path, "", &["doctor"]);
        assert_eq!((looked.code, looked.out.contains("use the release")), (1, true), "{looked:?}");
        assert_eq!(run(&path, "", &["repair", "--yes"]).code, 3);
        assert!(fs::read(path.join("db")).unwrap() == before, "it waits");
        let done = run(&path, "", &["restore", backup.to_str().unwrap(), "--yes"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(path.join("aside/restored/db").is_file());
        assert!(logs_in(&path, "alice", PASSWORD).await);
    });
}
