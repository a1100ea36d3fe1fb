//! M-13: the data file is removed, replaced or cut while the server runs. Nothing is acknowledged then.

use super::*;

/// Breaks the data file of a running server in one way.
fn harm(kind: &str, sessions: &Path) {
    let data = sessions.join("db");
    match kind {
        "removed" => fs::remove_file(&data).unwrap(),
        "renamed" => fs::rename(&data, sessions.join("db.bak")).unwrap(),
        "directory removed" => fs::remove_dir_all(sessions).unwrap(),
        "directory renamed" => fs::rename(sessions, sessions.with_extension("old")).unwrap(),
        "replaced" => {
            let copy = sessions.join("copy");
            fs::copy(&data, &copy).unwrap();
            fs::rename(&copy, &data).unwrap();
        }
        "emptied" => fs::File::options().write(true).open(&data).unwrap().set_len(0).unwrap(),
        "cut" => {
            let file = fs::File::options().write(true).open(&data).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len / 2 + 7).unwrap();
        }
        other => panic!("{other} is no kind of harm"),
    }
}

#[test]
fn m_13_a_data_file_that_is_lost_is_noticed_before_the_next_answer() {
    for kind in ["removed", "renamed", "directory removed", "directory renamed", "replaced", "emptied", "cut"]
    {
        bounded(async {
            let data = tempfile::tempdir().unwrap();
            let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
            let server = program.start();
            let keeper = login(&server.url).await;
            // What the file says of its time must differ from that of a copy.
            tokio::time::sleep(Duration::from_millis(20)).await;
            harm(kind, &data.path().join("sessions"));
            for round in 0..4 {
                let refused = Browser::new(&server.url).login("bob", "builder").await;
                assert_unavailable(refused, &format!("{kind}: login {round}")).await;
                assert_unavailable(keeper.post("/refresh").await, &format!("{kind}: refresh {round}")).await;
                // For longer than it takes to try anew.
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            assert_eq!(Browser::new(&server.url).get("/open").await.status(), 200, "{kind}");
            let (_, log) = server.terminate();
            assert!(!log.contains("panicked"), "{kind}: {log}");
            let says = match kind {
                "cut" | "emptied" => "was cut from",
                "replaced" => "was replaced by another one",
                _ => "was removed",
            };
            assert!(log.contains("ERROR") && log.contains(says), "{kind}: {log}");
        });
    }
}

/// M-13: at a length to which sled cuts its file too. What was there is gone, and nothing more follows it.
#[test]
fn m_13_a_data_file_that_is_cut_by_segments_is_noticed_before_the_next_answer() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.start();
        let keeper = login(&server.url).await;
        let file = data.path().join("sessions/db");
        while fs::metadata(&file).unwrap().len() < 540_000 {
            assert_eq!(Browser::new(&server.url).login("bob", "builder").await.status(), 200);
        }
        fs::File::options().write(true).open(&file).unwrap().set_len(524_288).unwrap();
        for round in 0..4 {
            let refused = Browser::new(&server.url).login("bob", "builder").await;
            assert_unavailable(refused, &format!("login {round}")).await;
            assert_unavailable(keeper.post("/refresh").await, &format!("refresh {round}")).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        let (_, log) = server.terminate();
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.contains("ERROR") && log.contains("was cut to 524288 bytes"), "{log}");
    });
}

/// M-13: what is put back in time is all there: the server never let go of it.
#[test]
fn m_13_a_data_file_that_is_put_back_is_used_again() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let sessions = data.path().join("sessions");
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.start();
        let keeper = login(&server.url).await;
        fs::rename(&sessions, data.path().join("elsewhere")).unwrap();
        assert_unavailable(Browser::new(&server.url).login("bob", "builder").await, "login").await;
        assert_eq!(keeper.me().await, 200, "who is logged in stays so");
        fs::rename(data.path().join("elsewhere"), &sessions).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Browser::new(&server.url).login("bob", "builder").await.status() != 200 {
            assert!(Instant::now() < deadline, "it heals without a restart");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(keeper.post("/refresh").await.status(), 204);
        server.kill();
        let server = program.start();
        let token = keeper.cookie("access_token").unwrap();
        let me = Browser::new(&server.url).request(reqwest::Method::GET, "/me").bearer_auth(token).send();
        assert_eq!(me.await.unwrap().status(), 200);
    });
}

/// M-13: the log says where the data still is, and it is there.
#[test]
fn m_13_the_log_says_where_the_data_of_a_removed_file_is() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let sessions = data.path().join("sessions");
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.start();
        let keeper = login(&server.url).await;
        fs::remove_file(sessions.join("db")).unwrap();
        assert_unavailable(Browser::new(&server.url).login("bob", "builder").await, "login").await;
        let descriptors = format!("/proc/{}/fd", server.id());
        let removed = fs::read_dir(&descriptors).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
            fs::read_link(path).is_ok_and(|target| target.to_str().unwrap().ends_with("/db (deleted)"))
        });
        let removed = removed.expect("the file is held");
        fs::copy(&removed, sessions.join("saved")).unwrap();
        let token = keeper.cookie("access_token").unwrap();
        let (_, log) = server.terminate();
        assert!(log.contains("its data can be copied from /proc/"), "{log}");
        let (code, said) = program.fail();
        assert!(code == Some(1) && said.contains("its data file is missing"), "{said}");
        fs::rename(sessions.join("saved"), sessions.join("db")).unwrap();
        let server = program.start();
        let me = Browser::new(&server.url).request(reqwest::Method::GET, "/me").bearer_auth(token).send();
        assert_eq!(me.await.unwrap().status(), 200);
    });
}
