//! Refusals and lines in the log that say what to write.

use std::sync::{Arc, Mutex};

use jwtauth::JwtAuth;
use poem::test::TestClient;
use poem::{EndpointExt as _, Route, get, handler};
use tests::app::TestApp;
use tests::log::logged;
use tests::serve::{Served, serve_as};
use tests::wire::{send, status};

#[handler]
fn open() {}

/// Asks for `/open` as a stranger who is elsewhere, or not.
async fn ask(served: &Served, host: &str) -> (u16, String) {
    let request = format!("GET /open HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n\r\n");
    let answer = send(&served.url, request.as_bytes(), false).await.unwrap();
    (status(&answer), String::from_utf8_lossy(&answer).into_owned())
}

/// M-17: behind Docker's port mapping the peer is the reason, and under a name of one's own the host is.
#[test]
fn m_17_development_says_whether_the_peer_or_the_host_was_the_reason() {
    logged(async |log| {
        let jwtauth = JwtAuth::dev().unwrap();
        let app = Route::new().at("/open", get(open)).with(jwtauth.clone());
        let here = serve_as(Arc::new(Mutex::new([127, 0, 0, 1].into())), app).await;
        let app = Route::new().at("/open", get(open)).with(jwtauth);
        let there = serve_as(Arc::new(Mutex::new([172, 17, 0, 1].into())), app).await;
        assert_eq!(ask(&here, "localhost:3000").await.0, 200);
        assert!(!log.text().contains("403: `JwtAuth::dev()`"), "{}", log.text());
        for _ in 0..3 {
            for host in ["localhost:3000", "app.test"] {
                let (status, body) = ask(&there, host).await;
                assert_eq!(status, 403);
                assert!(body.contains("this connection came from another address"), "{body}");
                assert!(body.contains("a port that Docker maps"), "{body}");
                assert!(!body.contains("172.17"), "{body}");
            }
            let (status, body) = ask(&here, "app.test").await;
            assert_eq!(status, 403);
            assert!(body.contains("this request names another host") && !body.contains("app.test"), "{body}");
            assert!(body.contains("http://localhost"), "{body}");
        }
        let log = log.text();
        let lines: Vec<_> =
            log.lines().filter(|line| line.contains("WARN") && line.contains("403: ")).collect();
        let [peer, host] = lines[..] else { panic!("one line for each reason: {log}") };
        for part in ["172.17.0.1", "docker run --network host", ".insecure_cookies()"] {
            assert!(peer.contains(part), "{part}: {peer}");
        }
        for part in ["\"app.test\"", "http://localhost", ".insecure_cookies()"] {
            assert!(host.contains(part), "{part}: {host}");
        }
    });
}

/// M-16: programs that drop `Secure` cookies of http://localhost are reported once, and browsers are not.
#[test]
fn m_16_cookies_that_programs_drop_on_localhost_are_told_of_once() {
    logged(async |log| {
        let app = TestApp::new();
        let client = TestClient::new(app.endpoint());
        let login = async |host: &str, agent: &str| {
            let request = client.post("/login").header("host", host).header("user-agent", agent);
            let request = request.content_type("application/json");
            request.body(r#"{"username":"alice","password":"right"}"#).send().await.assert_status_is_ok();
        };
        let lines = || log.text().matches("requests, httpx and old curl drop them").count();
        for agent in ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "curl/8.5.0"]
        {
            login("localhost:3000", agent).await;
        }
        client.get("/open").header("host", "localhost:3000").send().await.assert_status_is_ok();
        assert_eq!(lines(), 0, "they keep these, and none were sent");
        for host in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000"] {
            login(host, "python-requests/2.32.3").await;
            login(host, "python-httpx/0.27.0").await;
        }
        assert_eq!(lines(), 1, "{}", log.text());
        assert!(log.text().contains(".insecure_cookies()"), "{}", log.text());
    });
}
