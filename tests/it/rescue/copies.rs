//! The copy of a data file that looks damaged, without which it is not opened: sled cuts such a file, and what is whole
//! behind the damage is gone then.

use std::time::Duration;

use tests::small_disk::SmallDisk;

use super::*;

/// Makes a store of which a place is damaged that is not near the end.
async fn damaged(path: &Path) -> Vec<u8> {
    make(path, 40).await;
    let mut bytes = fs::read(path.join("db")).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 3..end / 3 + 3_000].fill(0xa5);
    fs::write(path.join("db"), &bytes).unwrap();
    bytes
}

#[test]
fn f_21_without_room_for_a_copy_a_damaged_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("disk");
    fs::create_dir(&at).unwrap();
    let Some(disk) = SmallDisk::mount(&at, 8) else { return };
    bounded_by(Duration::from_secs(120), async {
        let path = disk.path().join("store");
        let bytes = damaged(&path).await;
        let before = doctor(&path).readable;
        disk.fill(bytes.len() as u64 / 2);
        for _ in 0..2 {
            let refused = run(&path, "", &["status"]);
            let says = format!("Make room for {} bytes", bytes.len());
            assert_eq!((refused.code, refused.err.contains(&says)), (3, true), "{refused:?}");
            assert!(fs::read(path.join("db")).unwrap() == bytes, "nothing was changed");
            assert!(!path.join("db.unopened.part").exists());
        }
        assert_eq!(doctor(&path).readable, before);
        disk.empty();
        assert_eq!(run(&path, "", &["status"]).code, 3);
        assert!(fs::read(path.join("db")).unwrap() == bytes, "it was put back");
        assert_eq!(run(&path, "", &["repair", "--yes"]).code, 0);
    });
}

/// The directory of old files is a mount: a rename does not lead there.
#[test]
fn f_21_a_damaged_file_is_put_back_where_old_files_are_on_another_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    bounded_by(Duration::from_secs(120), async {
        let bytes = damaged(&path).await;
        let before = doctor(&path).readable;
        fs::create_dir(path.join("aside")).unwrap();
        let Some(disk) = SmallDisk::mount(&path.join("aside"), 8) else { return };
        for _ in 0..2 {
            assert_eq!(run(&path, "", &["status"]).code, 3);
            assert!(fs::read(path.join("db")).unwrap() == bytes, "it was put back");
        }
        assert_eq!(doctor(&path).readable, before);
        // The exchange of files copies what it cannot rename.
        let repaired = run(&path, "", &["repair", "--yes"]);
        assert_eq!(repaired.code, 0, "{repaired:?}");
        assert!(fs::read(path.join("aside/damaged/db")).unwrap() == bytes);
        assert_eq!(run(&path, "", &["compact"]).code, 0);
        assert_eq!(run(&path, "", &["doctor"]).code, 0);
        drop(disk);
    });
}
