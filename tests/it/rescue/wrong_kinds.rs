//! Something else in the place of a file of the store: a link, a pipe or a directory. A start, a doctor, a repair and a
//! restore name it, and none of them waits for a pipe.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use super::*;

#[test]
fn f_22_what_is_no_file_in_the_place_of_one_is_named_by_all_and_moved_away() {
    bounded_by(Duration::from_secs(240), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path, backup) =
            (folder.path().join("pristine"), folder.path().join("store"), folder.path().join("backup"));
        make(&pristine, 3).await;
        let backup = backup.to_str().unwrap();
        assert_eq!(run(&pristine, "", &["backup", backup]).code, 0);
        for (name, kind) in [
            ("aside", "link"),
            ("aside", "pipe"),
            ("blobs", "link"),
            ("conf", "dangling"),
            ("journal", "pipe"),
            ("moved", "pipe"),
            ("probe", "directory"),
            ("db", "directory"),
            ("lock", "pipe"),
            ("blobs/7", "pipe"),
        ] {
            let case = format!("{name} is a {kind}");
            copy(&pristine, &path);
            let _ = fs::remove_file(path.join("socket"));
            let (file, kept) = (path.join(name), folder.path().join("kept"));
            let _ = fs::remove_dir_all(&kept);
            let _ = fs::rename(&file, &kept);
            match kind {
                "link" => {
                    fs::create_dir_all(&kept).unwrap();
                    symlink(&kept, &file).unwrap();
                }
                "dangling" => symlink("/nowhere/at/all", &file).unwrap(),
                "pipe" => assert!(Command::new("mkfifo").arg(&file).status().unwrap().success()),
                _ => fs::create_dir(&file).unwrap(),
            }
            for (command, code) in [
                (&["status"][..], 3),
                (&["doctor"], 1),
                (&["repair", "--yes"], 3),
                (&["restore", backup, "--yes"], 3),
                (&["compact"], 3),
            ] {
                let done = run(&path, "", command);
                let names = format!("{done:?}").contains(file.to_str().unwrap());
                assert_eq!((done.code, names), (code, true), "{case}: {command:?}: {done:?}");
            }
            assert!(fs::symlink_metadata(&file).is_ok(), "{case}: it is left alone");
            // What the doctor says, until it says no more of that kind; then a restore at the latest.
            let looked = run(&path, "", &["doctor", "--json"]);
            let found: serde_json::Value = serde_json::from_str(looked.out.trim()).unwrap();
            let next = found["next"][0].as_str().unwrap();
            assert!(next.starts_with("mv "), "{case}: {found}");
            let _ = typed_as_it_is(next);
            // The doctor makes a lock.
            assert!(fs::symlink_metadata(&file).map_or(true, |found| found.is_file()), "{case}: {next}");
            let restored = run(&path, "", &["restore", backup, "--yes"]);
            assert_eq!(restored.code, 0, "{case}: {restored:?}");
            assert!(logs_in(&path, "alice", PASSWORD).await, "{case}");
        }
    });
}
