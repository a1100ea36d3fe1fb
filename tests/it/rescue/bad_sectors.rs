//! A disk that cannot read one sector of the data file any more, and still takes writes.
//!
//! sled took what it could not read for the end of its log, and wrote over the rest: of 9,001 accounts one start left none.

use std::time::{Duration, Instant};

use tests::bad_sector::BadSector;
use tests::browser::Browser;

use super::*;

/// Where the log ends in a data file.
fn end_of_log(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64
}

#[test]
fn f_20_a_file_that_cannot_be_read_is_not_opened_and_a_repair_saves_what_is_around() {
    bounded_by(Duration::from_secs(240), async {
        let folder = tempfile::tempdir().unwrap();
        let (pristine, path) = (folder.path().join("pristine"), folder.path().join("store"));
        make(&pristine, 60).await;
        fs::create_dir(&path).unwrap();
        let Some(sector) = BadSector::of(&path.join("db"), folder.path()) else { return };
        let bytes = fs::read(pristine.join("db")).unwrap();
        let end = end_of_log(&bytes);
        for part in [0, 3, 6, 9, 10] {
            let at = end * part / 10 / 4096 * 4096;
            // The same bytes, damaged, are how much there is to save.
            copy(&pristine, &path);
            let mut damaged = bytes.clone();
            let place = usize::try_from(at).unwrap();
            damaged[place..bytes.len().min(place + 4096)].fill(0xff);
            fs::write(path.join("db"), &damaged).unwrap();
            let around = doctor(&path).readable;

            copy(&pristine, &path);
            sector.set(at, false);
            let seen = |arguments: &[&str]| run_in(&sector.env(), &path, "", arguments);
            for _ in 0..2 {
                let start = seen(&["status"]);
                let names_both = ["jwtauth doctor", "jwtauth repair", "that fail: 1"]
                    .iter()
                    .all(|said| start.err.contains(said));
                assert_eq!((start.code, names_both), (3, true), "{at}: {start:?}");
                assert!(fs::read(path.join("db")).unwrap() == bytes, "{at}: a start changes nothing");
                assert!(!path.join("db.unopened").exists(), "{at}");
            }
            let looked = seen(&["doctor", "--json"]);
            assert_eq!(looked.code, 1, "{at}: {looked:?}");
            let found: serde_json::Value = serde_json::from_str(looked.out.trim()).unwrap();
            assert_eq!(found["damage"]["unreadable_blocks"], 1, "{at}: {found}");
            assert_eq!(found["readable"], serde_json::json!(around), "{at}");
            let repaired = seen(&["repair", "--yes", "--keep-accounts", "--json"]);
            assert_eq!(repaired.code, 0, "{at}: {repaired:?}");
            sector.heal();
            let done: serde_json::Value = serde_json::from_str(repaired.out.trim()).unwrap();
            assert!(done["kept"]["accounts"].as_u64().unwrap() >= around.accounts, "{at}: {done}");
            assert_eq!(run(&path, "", &["doctor"]).code, 0, "{at}");
        }
    });
}

/// A write fails, so the server opens its store anew. It does not while the disk cannot read all of the file.
#[test]
fn f_20_a_server_opens_nothing_anew_that_cannot_be_read() {
    bounded_by(Duration::from_secs(120), async {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("sessions")).unwrap();
        let file = data.join("sessions").join("db");
        let Some(sector) = BadSector::of(&file, folder.path()) else { return };
        let mut program = crate::quickstart().data(&data).env("JWTAUTH_DEV", "1");
        for (name, value) in sector.env() {
            program = program.env(name, &value);
        }
        let server = program.start();
        let alice = Browser::new(&server.url);
        assert_eq!(alice.login("alice", "wonderland").await.status(), 200);
        sector.set(0, true);
        let refused = Browser::new(&server.url).login("bob", "builder").await.status();
        assert_eq!(refused, 503);
        // For longer than it takes to try anew.
        let until = Instant::now() + Duration::from_secs(3);
        sector.set(0, false);
        while Instant::now() < until {
            assert_eq!(Browser::new(&server.url).login("bob", "builder").await.status(), 503);
            assert_eq!(alice.me().await, 200, "what is in memory is served");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        sector.heal();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Browser::new(&server.url).login("bob", "builder").await.status() != 200 {
            assert!(Instant::now() < deadline, "it heals");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(alice.me().await, 200);
        let (status, log) = server.terminate();
        assert!(status.success() && log.contains("that fail: 1"), "{log}");
    });
}
