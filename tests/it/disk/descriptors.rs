//! M-2: strangers may take every descriptor that the process is allowed. A commit needs none.

use std::net::TcpStream;

use super::*;

/// Reads an answer to its end. Then its connection serves the next request, and needs no new descriptor.
async fn answered(response: Response) -> u16 {
    let status = response.status().as_u16();
    let _ = response.bytes().await.unwrap();
    status
}

#[test]
fn m_2_a_commit_opens_no_descriptor() {
    if !runs(&["prlimit", "--version"]) {
        println!("skipped: needs prlimit");
        return;
    }
    bounded_by(Duration::from_secs(60), async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path()).env("JWTAUTH_DEV", "1");
        let server = program.clone().wrapped(&["prlimit", "--nofile=64:64"]).start();
        let users = [login(&server.url).await, login(&server.url).await, login(&server.url).await];
        for user in &users {
            assert_eq!(answered(user.post("/refresh").await).await, 204);
        }
        let address = server.url.strip_prefix("http://").unwrap();
        let mut idle = Vec::new();
        let count = || fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
        let deadline = Instant::now() + Duration::from_secs(10);
        while count() < 64 {
            assert!(Instant::now() < deadline, "strangers take all: {} of 64", count());
            if idle.len() < 200 {
                idle.push(TcpStream::connect(address).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for round in 0..20 {
            for user in &users {
                assert_eq!(answered(user.post("/refresh").await).await, 204, "round {round}");
                assert_eq!(answered(user.get("/me").await).await, 200, "round {round}");
            }
        }
        assert_eq!(answered(users[0].login("alice", "wonderland").await).await, 200);
        assert_eq!(answered(users[1].post("/logout").await).await, 204);
        assert_eq!(count(), 64, "they still have all");
        let tokens = [&users[0], &users[2]].map(|user| user.cookie("access_token").unwrap());
        drop(idle);
        let (status, log) = server.terminate();
        assert!(status.success() && !log.contains("cannot be written"), "{log}");
        let server = program.start();
        for token in tokens {
            let me = Browser::new(&server.url).request(reqwest::Method::GET, "/me").bearer_auth(token).send();
            assert_eq!(me.await.unwrap().status(), 200, "all is on disk");
        }
    });
}
