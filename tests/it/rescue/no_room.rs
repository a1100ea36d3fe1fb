//! A disk that is full while a store is repaired, restored, written anew or backed up: nothing was changed, and with room
//! the same command does it.

use std::time::Duration;

use tests::small_disk::SmallDisk;

use super::*;

/// All files below a directory, but the lock, and the snapshot, which sled makes of the log when it opens a store.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.insert(entry.clone(), Vec::new());
            all.extend(files(&entry));
        } else if !["lock", "snap."].iter().any(|skipped| name(&entry).starts_with(skipped)) {
            all.insert(entry.clone(), fs::read(&entry).unwrap());
        }
    }
    all
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(disk) = SmallDisk::mount(&disk, 4) else { return };
    bounded_by(Duration::from_secs(240), async {
        let (whole, damaged) = (folder.path().join("whole"), folder.path().join("damaged"));
        make(&whole, 10).await;
        let backup = folder.path().join("backup");
        let backup = backup.to_str().unwrap();
        assert_eq!(run(&whole, "", &["backup", backup]).code, 0);
        copy(&whole, &damaged);
        let bytes = fs::read(damaged.join("db")).unwrap();
        // Each of them, because some stand in what the log no longer needs.
        for (at, _) in bytes.windows(8).enumerate().filter(|(_, window)| *window == b"user 007") {
            [0, 4].into_iter().for_each(|bit| flip(&damaged.join("db"), at as u64, bit));
        }

        let path = disk.path().join("store");
        let copied = disk.path().join("copy");
        let of_copy = copied.to_str().unwrap();
        for (of, command) in [
            (&damaged, &["repair", "--yes"][..]),
            (&whole, &["restore", backup, "--yes"]),
            (&whole, &["compact", "--yes"]),
            (&whole, &["backup", of_copy, "--yes"]),
        ] {
            for left in [0, 40_000, 300_000] {
                let when = format!("{command:?} with {left} bytes");
                copy(of, &path);
                disk.fill(left);
                let before = files(&path);
                let done = run(&path, "", command);
                if done.code == 0 {
                    // It needs less than that.
                    assert!(left > 0, "{when}: {done:?}");
                } else {
                    assert_eq!(done.code, 3, "{when}: {done:?}");
                    assert!(done.err.contains("space") && !done.err.contains("panicked"), "{when}: {done:?}");
                    let after = files(&path);
                    let names = |of: &BTreeMap<PathBuf, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
                    assert!(before == after, "{when}: {:?} {:?}", names(&before), names(&after));
                }
                assert!(!disk.path().join(".copy.jwtauth-part").exists(), "{when}");
                disk.empty();
                let again = run(&path, "", command);
                assert_eq!(again.code, 0, "{when}: {again:?}");
                assert_eq!(run(&path, "", &["doctor"]).code, 0, "{when}");
                let _ = fs::remove_file(&copied);
                fs::remove_dir_all(&path).unwrap();
            }
        }
    });
}
