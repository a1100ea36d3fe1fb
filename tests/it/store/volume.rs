//! The directory of a store on a machine that others look after: what somebody left in it, what was mounted in its
//! place or is not there, and an older copy of it. Modes and owners are in `volume_rights`.

use super::*;

/// The names in a directory, in order.
pub(super) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// M-9: what mounts, file managers and people leave behind is no part of the store and does no harm to it.
#[test]
fn m_9_strange_files_in_a_marked_directory_are_left_alone() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&open(&path).await, 0..1).await;
        let strange =
            [".DS_Store", ".nfs0000000000a1", "db.bak", "thesis.tex", "store.journal", "blobs/.DS_Store"];
        let directories = ["lost+found", "@eaDir", "blobs/@eaDir", ".snapshot"];
        for name in strange {
            fs::write(path.join(name), name).unwrap();
            fs::set_permissions(path.join(name), Permissions::from_mode(0o444)).unwrap();
        }
        for name in directories {
            fs::create_dir(path.join(name)).unwrap();
        }
        for number in 1..4 {
            put(&open(&path).await, number..number + 1).await;
        }
        let store = open(&path).await;
        assert!(store.sweep(0, 10).await.is_ok());
        assert!(store.load(session(0).id).await.unwrap().is_some());
        for name in strange {
            assert_eq!(fs::read(path.join(name)).unwrap(), name.as_bytes());
            assert_eq!(mode(&path.join(name)), 0o444, "{name}: not ours");
        }
        for name in directories {
            assert!(path.join(name).is_dir(), "{name}");
        }
    });
}

/// M-9: the log names them.
#[test]
fn m_9_strange_files_are_named_in_the_log() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        assert!(program.start().terminate().0.success());
        fs::write(data.path().join("sessions/db.bak"), "mine").unwrap();
        let (status, log) = program.start().terminate();
        assert!(status.success() && log.contains("WARN"), "{log}");
        assert_eq!(log.matches("db.bak").count(), 1, "{log}");
    });
}

/// M-9: a new volume is not quite empty. A directory of somebody's files is left alone.
#[test]
fn m_9_a_new_volume_is_empty_and_a_home_is_not() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        for (name, is_empty) in [
            ("lost+found", true),
            (".DS_Store", true),
            ("@eaDir", true),
            (".nfs0000000000a1", true),
            (".fuse_hidden0001", true),
            ("System Volume Information", true),
            ("$RECYCLE.BIN", true),
            ("#recycle", true),
            (".snapshots", true),
            (".directory", true),
            (".bashrc", false),
            ("db.bak", false),
            ("blobs", false),
            ("journal", false),
            ("snap.0000000000000001", false),
        ] {
            let path = data.path().join(format!("volume of {name}"));
            fs::create_dir(&path).unwrap();
            fs::create_dir(path.join(name)).unwrap();
            let opened = SledStore::open(&path).await;
            assert_eq!(opened.is_ok(), is_empty, "{name}: {opened:?}");
            if let Err(error) = opened {
                assert!(matches!(&error, StoreError::NotAStore { found, .. } if found == name), "{error:?}");
                assert_eq!(names(&path), [name], "left as it was");
            }
        }
    });
}

/// M-8: the journal in the directory notices that the data file alone was replaced. It comes along with a
/// copy of the whole directory; a counter in another place does not.
#[test]
fn m_8_an_older_copy_is_noticed_from_another_place() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let (path, backup) = (data.path().join("store"), data.path().join("backup"));
        let counted = || SledConfig::new(&path).rollback_counter(data.path().join("elsewhere/counter"));
        put(&SledStore::open(counted()).await.unwrap(), 0..3).await;
        copy(&path, &backup);
        let store = SledStore::open(counted()).await.unwrap();
        assert!(store.revoke(session(1).id, LOGOUT).await.unwrap());
        drop(store);
        let newest = data.path().join("newest");
        copy(&path, &newest);

        fs::copy(backup.join("db"), path.join("db")).unwrap();
        for entry in fs::read_dir(&path).unwrap() {
            let file = entry.unwrap().path();
            if file.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
                fs::remove_file(file).unwrap();
            }
        }
        let opened = SledStore::open(&path).await;
        assert!(matches!(opened, Err(StoreError::RolledBack { lost: 1, .. })), "data alone: {opened:?}");

        fs::remove_dir_all(&path).unwrap();
        copy(&backup, &path);
        for attempt in 0..3 {
            let opened = SledStore::open(counted()).await;
            let Err(StoreError::RolledBack { path: named, lost: 1, .. }) = &opened else {
                panic!("attempt {attempt}: {opened:?}");
            };
            assert_eq!(*named, path);
        }
        // What is said in the guide of security: without a counter a whole copy is believed.
        assert_eq!(open(&path).await.load(session(1).id).await.unwrap().as_deref(), Some(&session(1)));

        fs::remove_dir_all(&path).unwrap();
        copy(&newest, &path);
        let store = SledStore::open(counted()).await.unwrap();
        assert!(store.load(session(1).id).await.unwrap().unwrap().revoked.is_some());
        drop(store);
        let inside = SledStore::open(SledConfig::new(&path).rollback_counter(path.join("counter"))).await;
        assert!(inside.unwrap_err().to_string().contains("name a file outside"));
    });
}

/// M-8: a counter that would be removed, or that is a directory, is refused, and nothing happens to it.
#[test]
fn m_8_a_counter_that_cannot_count_is_refused() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        put(&SledStore::open(&path).await.unwrap(), 0..2).await;
        let folder = data.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        for (counter, said) in [
            (data.path().join("store.journal"), "choose another name"),
            (data.path().join("folder/../store.journal"), "choose another name"),
            (folder.clone(), "name a file in it"),
        ] {
            let refused = SledStore::open(SledConfig::new(&path).rollback_counter(&counter)).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(said), "{counter:?}: {error}");
        }
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o755);
        // One that is empty may be mounted there. It is written in place.
        let empty = data.path().join("empty");
        fs::write(&empty, "").unwrap();
        let number = fs::metadata(&empty).unwrap().ino();
        drop(SledStore::open(SledConfig::new(&path).rollback_counter(&empty)).await.unwrap());
        let found = fs::metadata(&empty).unwrap();
        assert!(found.ino() == number && found.len() > 0);
        // A number of somebody else's beside the store of today says nothing.
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend(0x2144DF1C_u32.to_le_bytes());
        fs::write(data.path().join("store.journal"), bytes).unwrap();
        assert!(open(&path).await.load(session(1).id).await.unwrap().is_some());
    });
}

/// M-12: a process may be killed at any step of making a store in the place of one that was removed.
#[test]
fn m_12_a_store_without_accounts_that_is_gone_is_made_anew_in_any_number_of_starts() {
    bounded(async {
        for stop in ["no data file", "an empty data file", "no change"] {
            let data = tempfile::tempdir().unwrap();
            let (path, counter) = (data.path().join("store"), data.path().join("counter"));
            let config = || SledConfig::new(&path).rollback_counter(&counter);
            put(&SledStore::open(config()).await.unwrap(), 0..2).await;
            let mark = fs::read(path.join("jwtauth")).unwrap();
            fs::remove_dir_all(&path).unwrap();
            if stop == "no change" {
                drop(SledStore::open(config()).await.unwrap());
            } else {
                fs::create_dir(&path).unwrap();
                fs::write(path.join("jwtauth"), &mark).unwrap();
                if stop == "an empty data file" {
                    drop(tests::raw::open(&path));
                }
            }
            let store = SledStore::open(config()).await.unwrap_or_else(|error| panic!("{stop}: {error}"));
            put(&store, 0..2).await;
            drop(store);
            // It is a store like others now: its data cannot be lost without a word.
            fs::remove_file(path.join("db")).unwrap();
            let refused = SledStore::open(config()).await;
            assert!(matches!(refused, Err(StoreError::Missing { .. })), "{stop}: {refused:?}");
        }
    });
}

/// M-12: a volume that is not mounted looks like a new store. With accounts anybody could register their
/// names.
#[test]
fn m_12_a_store_with_accounts_that_is_gone_is_refused() {
    use jwtauth::{AccountsConfig, JwtAuth};
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let (path, counter) = (data.path().join("store"), data.path().join("counter"));
        let config = || SledConfig::new(&path).rollback_counter(&counter);
        put(&SledStore::open(config()).await.unwrap(), 0..2).await;
        let moved = data.path().join("moved");
        // Sessions alone: all users log in again.
        fs::rename(&path, &moved).unwrap();
        put(&SledStore::open(config()).await.unwrap(), 0..2).await;
        let store = SledStore::open(config()).await.unwrap();
        let secret = *b"a secret of the tests, 32 bytes.";
        let jwtauth =
            JwtAuth::builder().secret(secret).accounts(AccountsConfig::default()).build(store).unwrap();
        jwtauth.accounts().unwrap().register("ann", "a password of ann's").await.unwrap();
        drop(jwtauth);
        fs::remove_dir_all(&moved).unwrap();
        let mut renamed = Err(std::io::Error::other("not yet"));
        // The background sweep lets go when the runtime comes to it.
        for _ in 0..100 {
            if let Ok(store) = SledStore::open(config()).await {
                drop(store);
                renamed = fs::rename(&path, &moved);
                break;
            }
        }
        renamed.unwrap();
        for is_empty in [false, true] {
            if is_empty {
                fs::create_dir_all(path.join("lost+found")).unwrap();
            }
            let refused = SledStore::open(config()).await.unwrap_err();
            let StoreError::Missing { path: named, counter: found } = &refused else { panic!("{refused:?}") };
            assert_eq!((named, found), (&path, &counter));
            assert!(refused.to_string().contains("is its volume mounted?"), "{refused}");
            assert_eq!(path.exists(), is_empty, "nothing was made");
        }
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
        drop(SledStore::open(config()).await.unwrap());
        fs::remove_dir_all(&path).unwrap();
        fs::remove_file(&counter).unwrap();
        drop(SledStore::open(config()).await.unwrap());
    });
}

/// M-12: who says that the store is there gets no new one in its place, and nothing is made.
#[test]
fn m_12_no_store_is_made_where_one_must_be() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("volume/store");
        let existing = || SledConfig::new(&path).create_if_missing(false);
        let refused = async |found: &str| {
            let error = SledStore::open(existing()).await.unwrap_err();
            assert!(
                matches!(&error, StoreError::NoStore { path: named } if *named == path),
                "{found}: {error:?}"
            );
            assert!(error.to_string().contains("is its volume mounted"), "{error}");
        };
        refused("nothing").await;
        assert!(!data.path().join("volume").exists(), "nothing was made");
        fs::create_dir_all(&path).unwrap();
        refused("an empty directory").await;
        fs::create_dir(path.join("lost+found")).unwrap();
        refused("a new volume").await;
        assert_eq!(names(&path), ["lost+found"]);

        drop(SledStore::open(&path).await.unwrap());
        put(&SledStore::open(existing()).await.unwrap(), 0..2).await;
        put(&SledStore::open(&path).await.unwrap(), 2..4).await;
        // What a process has left that was killed while it made the store is none.
        let mark = fs::read(path.join("jwtauth")).unwrap();
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("jwtauth"), mark).unwrap();
        refused("a mark").await;
        assert!(!path.join("db").exists());
        put(&SledStore::open(&path).await.unwrap(), 0..2).await;
        put(&SledStore::open(existing()).await.unwrap(), 2..4).await;
    });
}

/// M-12: the log tells of a store that is new, by its path.
#[test]
fn m_12_a_new_store_is_told_of() {
    let data = tempfile::tempdir().unwrap();
    let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
    for times in [1, 0] {
        let (status, log) = program.start().terminate();
        let told: Vec<_> = log.lines().filter(|line| line.contains("a new session store was made")).collect();
        assert!(status.success() && told.len() == times, "{log}");
        let path = data.path().join("sessions");
        assert!(told.iter().all(|line| line.contains(path.to_str().unwrap())), "{log}");
    }
}
