//! Who may do what in the directory of a store: modes that a platform widens, owners, and mounts for reading only.

use std::os::unix::fs::chown;

use super::volume::names;
use super::*;

/// Runs programs as nobody in particular, in the group that a volume is given to.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const NOBODY: u32 = 65_534;

fn can_be_nobody() -> bool {
    let mut words = AS_NOBODY.iter().chain(&["true"]);
    Command::new(words.next().unwrap()).args(words).output().is_ok_and(|output| output.status.success())
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

/// M-10: an empty volume of root at the path of the store itself, and a file of root in a directory of one's own. The
/// error says whose each is, and its advice is not one that makes things worse.
#[test]
fn m_10_an_error_says_whose_a_volume_or_a_file_is() {
    if !can_be_nobody() {
        println!("skipped: needs root and setpriv");
        return;
    }
    bounded(async {
        let data = shared_directory();
        let path = data.path().join("store");
        for inside in [None, Some("lost+found")] {
            fs::create_dir_all(inside.map_or_else(|| path.clone(), |name| path.join(name))).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
            let said = probed(data.path());
            let whose = format!(
                "to the user with the id 0, and this program runs as 65534: run `chown -R 65534 {path:?}`"
            );
            assert!(said.contains(&whose) && !said.contains("install -d"), "{said}");
        }
        fs::remove_dir_all(&path).unwrap();
        put(&open(&path).await, 0..1).await;
        for name in ["db", "conf", "lock", "journal"] {
            for file in names(&path) {
                chown(path.join(file), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            // As `cp` of root leaves it.
            chown(path.join(name), Some(0), Some(0)).unwrap();
            fs::set_permissions(path.join(name), Permissions::from_mode(0o600)).unwrap();
            let said = probed(data.path());
            let file = path.join(name);
            assert!(
                said.contains(&format!("{file:?}")) && said.contains("to the user with the id 0"),
                "{name}: {said}"
            );
            assert!(said.contains("chown -R 65534") && !said.contains("chmod"), "{name}: {said}");
        }
    });
}

/// M-12: a link to a volume that is not mounted.
#[test]
fn m_12_a_link_to_what_is_not_there_is_told_of() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("store");
        std::os::unix::fs::symlink(data.path().join("volume"), &path).unwrap();
        let refused = SledStore::open(&path).await.unwrap_err();
        let said = format!("{refused:?}");
        assert!(said.contains("is a symbolic link to") && said.contains("is its volume mounted?"), "{said}");
        assert!(!data.path().join("volume").exists());
    });
}
