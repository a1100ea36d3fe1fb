//! The directory of a store on a machine that others look after: volumes, mounts, modes, and files that
//! somebody left in it.

use std::os::unix::fs::chown;

use super::*;

/// Runs programs as nobody in particular, in the group that a volume is given to.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const NOBODY: u32 = 65_534;

fn can_be_nobody() -> bool {
    let mut words = AS_NOBODY.iter().chain(&["true"]);
    Command::new(words.next().unwrap()).args(words).output().is_ok_and(|output| output.status.success())
}

fn names(dir: &Path) -> Vec<String> {
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

/// M-6: Kubernetes adds `g+rw` to every file of a volume at each mount (`fsGroup`), and sets the group's bit.
#[test]
fn m_6_widened_modes_are_mended_with_a_warning() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path());
        let program = program.env("JWTAUTH_DEV", "1");
        let server = program.start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
        let access = browser.cookie("access_token").unwrap();
        assert!(server.terminate().0.success());
        for wider in [0o060, 0o007, 0o2070] {
            for path in files(data.path()).into_keys() {
                // What anybody can write is never taken for a secret.
                let wider = if path.ends_with("secret") { wider & !0o002 } else { wider };
                let mode = mode(&path) | wider;
                fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            }
            let server = program.start();
            for (path, (_, mode)) in files(data.path()) {
                assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?} has {mode:o}");
            }
            let me = Browser::new(&server.url).request(Method::GET, "/me").bearer_auth(&access).send().await;
            assert_eq!(me.unwrap().status(), 200, "the same secret and the same sessions");
            let (status, log) = server.terminate();
            assert!(status.success() && log.contains("WARN"), "{log}");
            assert!(log.contains("it is made private now"), "{log}");
            assert!(log.contains("this secret file"), "{log}");
        }
        let (_, log) = program.start().terminate();
        assert!(!log.contains("private"), "nothing to say: {log}");
    });
}

/// M-6, M-8: a volume at the store's own path, owned by root and given to a group, below a directory that
/// nobody may write. The program may not change the mode of the directory.
#[test]
fn m_8_a_volume_of_another_user_at_the_stores_own_path_will_do() {
    if !can_be_nobody() {
        println!("skipped: needs root and setpriv");
        return;
    }
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let volume = data.path().join("sessions");
        fs::create_dir_all(volume.join("lost+found")).unwrap();
        chown(&volume, Some(0), Some(NOBODY)).unwrap();
        fs::set_permissions(&volume, Permissions::from_mode(0o2775)).unwrap();
        fs::set_permissions(volume.join("lost+found"), Permissions::from_mode(0o700)).unwrap();
        let binary = data.path().join("quickstart");
        fs::copy(env!("CARGO_BIN_EXE_quickstart"), &binary).unwrap();
        // It may be entered, and neither listed nor written.
        fs::set_permissions(data.path(), Permissions::from_mode(0o711)).unwrap();
        let program = tests::program::Program::new(&binary)
            .wrapped(&AS_NOBODY)
            .env("JWTAUTH_SECRET", "Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG")
            .data(data.path());
        let server = program.start();
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), 200);
        let access = browser.cookie("access_token").unwrap();
        assert!(server.terminate().0.success());
        assert_eq!(names(data.path()), ["quickstart", "sessions"], "everything lies inside");
        let server = program.start();
        let me = Browser::new(&server.url).request(Method::GET, "/me").bearer_auth(access).send().await;
        assert_eq!(me.unwrap().status(), 200);
        let (_, log) = server.terminate();
        assert!(log.contains("its modes cannot be changed"), "{log}");
        assert_eq!(mode(&volume.join("db")), 0o600, "what is ours is private");
    });
}

/// M-6: a store that only its owner may read, as somebody has frozen it. The error says what its owner can do.
#[test]
fn m_6_a_store_that_its_owner_made_read_only_stays_so_and_says_what_is_missing() {
    if !can_be_nobody() {
        println!("skipped: needs root and setpriv");
        return;
    }
    bounded(async {
        let data = shared_directory();
        let path = data.path().join("store");
        run(&[], &["write", "3"], data.path());
        for name in names(&path) {
            let (rights, name) = (if path.join(&name).is_dir() { 0o500 } else { 0o400 }, path.join(&name));
            fs::set_permissions(&name, Permissions::from_mode(rights)).unwrap();
            chown(&name, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        fs::set_permissions(&path, Permissions::from_mode(0o500)).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        let said = probed(data.path());
        assert!(said.contains("mode 400") && said.contains("chmod -R u+rwX"), "{said}");
        assert_eq!((mode(&path), mode(&path.join("db"))), (0o500, 0o400));
    });
}

/// M-10: where nothing can be written, the error says what to do about just that.
#[test]
fn m_10_an_error_says_why_a_directory_cannot_be_written() {
    if !can_be_nobody() {
        println!("skipped: needs root and setpriv");
        return;
    }
    bounded(async {
        // Of root, as a volume of Docker is.
        let data = shared_directory();
        let said = probed(data.path());
        assert!(said.contains("is not there") && said.contains("install -d -m 700 -o 65534"), "{said}");
        put(&open(&data.path().join("store")).await, 0..1).await;
        let said = probed(data.path());
        assert!(said.contains("to the user with the id 0") && said.contains("chown -R 65534"), "{said}");
        let path = data.path().display();
        let script =
            format!("mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}' && exec \"$@\"");
        let mount = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        if Command::new(mount[0]).args(&mount[1..]).arg("true").output().is_ok_and(|ran| ran.status.success())
        {
            let said = run(&mount, &["read"], data.path());
            assert!(said.contains("mounted for reading only") && !said.contains("chown"), "{said}");
        }
    });
}

/// A directory that others may enter.
fn shared_directory() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
    data
}

/// Reads a store as another user. Returns what was said.
fn probed(data: &Path) -> String {
    run(&AS_NOBODY, &["read"], data)
}

/// Runs `store_probe` by way of another command. Returns what was said.
fn run(wrapper: &[&str], task: &[&str], data: &Path) -> String {
    let words = [wrapper, &[env!("CARGO_BIN_EXE_store_probe"), task[0]]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(data).args(&task[1..]);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
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

/// M-12: a volume that is not mounted looks like a new store. With accounts anybody could register their
/// names.
/// A process may be killed at any step of making a store in the place of one that was removed.
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
