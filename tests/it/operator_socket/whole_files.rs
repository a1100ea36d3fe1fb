//! What concerns all that a store keeps, while its server serves: backups, exports and compactions.

use super::*;

/// A backup and an export of a server that serves hold what it has answered.
#[test]
fn a_server_gives_its_backup_and_its_export() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        for number in 0..400 {
            tab.login(&format!("user-{number}")).await;
        }
        let file = folder.path().join("backup");
        let taken = ask(&path, "", &["backup", file.to_str().unwrap(), "--json"]).json();
        let len = fs::metadata(&file).unwrap().len();
        assert_eq!((&taken[0]["sessions"], &taken[0]["bytes"]), (&json!(400), &json!(len)), "{taken:?}");
        assert!(len > 70_000, "more than one part: {len}");
        let lines = ask(&path, "", &["export", "-"]);
        let kept = lines.out.lines().filter(|line| line.contains("\"kind\":\"session\"")).count();
        assert_eq!((lines.code, kept), (0, 400), "{}", lines.err);
        // It went through the server, which has the store still, and which keeps when it was.
        let status = ask(&path, "", &["status", "--json"]).json()[0].clone();
        assert_eq!((&status["live_sessions"], &status["last_backup"]), (&json!(400), &json!(START)));

        // What the server has written is a backup, and what was stopped is none.
        let other = folder.path().join("other");
        let restored = ask(&other, "", &["restore", file.to_str().unwrap(), "--keep-sessions"]);
        assert_eq!(restored.code, 0, "{restored:?}");
        assert_eq!(ask(&other, "", &["status", "--json"]).json()[0]["live_sessions"], json!(400));
        let taken = ask(&path, "", &["backup", "/dev/full/backup"]);
        assert_ne!(taken.code, 0, "{taken:?}");
        let asked = ask(&path, "", &["backup", file.to_str().unwrap()]);
        assert_eq!((asked.code, asked.err.contains("--yes")), (1, true), "{asked:?}");
        assert_eq!(fs::metadata(&file).unwrap().len(), len);
    });
}

/// A program that asks for a file and does not take it holds nothing up.
#[test]
fn o_3_who_does_not_take_a_file_is_left() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        for number in 0..900 {
            tab.login(&format!("user-{number}")).await;
        }
        let mut deaf = UnixStream::connect(socket_of(&path)).unwrap();
        let body = br#""backup""#;
        let header = [&b"jwta\x01\x01"[..], &u32::try_from(body.len()).unwrap().to_be_bytes()].concat();
        deaf.write_all(&[&header[..], body].concat()).unwrap();
        // It takes nothing, and others are served.
        let user = tab.login("alice").await;
        assert_eq!(tab.get("/me", &user.cookies()).await.status, 200);
        assert_eq!(ask(&path, "", &["status"]).code, 0);
        // The end of the server does not wait for it: the store is free at once.
        drop(tab);
        drop(app);
        drop(SledStore::open(SledConfig::new(&path).lock_timeout(Duration::from_secs(15))).await.unwrap());
        drop(deaf);
    });
}

/// Whoever is logged in stays so, and can be logged out, while the files are written anew.
#[test]
fn a_server_is_compacted_while_it_serves() {
    bounded(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let app = app(&path, |builder| builder).await;
        let tab = Tab::new(&app);
        let user = tab.login("alice").await;
        for number in 0..300 {
            tab.login(&format!("user-{number}")).await;
        }
        let compacted = ask(&path, "", &["compact", "--json"]).json();
        // A small store has less to give back than a new one takes for a start.
        assert!(compacted[0]["after"].as_u64().is_some_and(|after| after > 0), "{compacted:?}");
        assert_eq!(tab.get("/me", &user.cookies()).await.status, 200);
        let revoked = ask(&path, "", &["sessions", "revoke", &user.session().to_string()]);
        assert_eq!((revoked.code, &*revoked.out), (0, "1 session revoked\n"), "{revoked:?}");
        assert_eq!(tab.get("/me", &user.cookies()).await.status, 401);
        let other = tab.login("bob").await;
        assert_eq!(tab.get("/me", &other.cookies()).await.status, 200);
    });
}
