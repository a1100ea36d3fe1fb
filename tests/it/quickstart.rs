//! The quickstart as a stranger meets it: a program, its environment, and HTTP.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::bounded;
use tests::browser::{Browser, json as body_of};
use tests::program::Program;
use tests::wire::claims;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn in_directory(path: &Path) -> Program {
    crate::quickstart().data(path)
}

/// Every route, for a stranger, for a user without the role, and for an admin.
#[test]
fn routes() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let [stranger, alice, bob] = [(); 3].map(|()| Browser::new(&server.url));
        assert_eq!(alice.login("alice", "wonderland").await.status(), StatusCode::OK);
        assert_eq!(bob.login("bob", "builder").await.status(), StatusCode::OK);
        for (path, expected) in [
            ("/me", [401, 200, 200]),
            ("/admin", [401, 403, 200]),
            ("/hello", [200, 200, 200]),
            ("/slow", [401, 200, 200]),
            ("/open", [200, 200, 200]),
            ("/health", [200, 200, 200]),
            ("/nowhere", [404, 404, 404]),
        ] {
            for (browser, expected) in [&stranger, &bob, &alice].into_iter().zip(expected) {
                assert_eq!(browser.get(path).await.status().as_u16(), expected, "{path}");
            }
        }
        let alice_is = json!({"id": 1, "name": "alice", "roles": ["admin"]});
        assert_eq!(body_of(alice.get("/me").await).await, alice_is);
        assert_eq!(body_of(stranger.get("/open").await).await, alice_is, "the same body, for a fixed user");
        assert_eq!(bob.get("/hello").await.text().await.unwrap(), "Hello, bob!\n");
        for path in ["/login", "/refresh", "/logout", "/logout/all"] {
            assert_eq!(
                alice.get(path).await.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "H-9: {path} is POST only"
            );
        }
        assert_eq!(alice.post("/refresh").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(alice.me().await, 200);
        assert_eq!(stranger.post("/refresh").await.status(), StatusCode::UNAUTHORIZED);

        let phone = Browser::new(&server.url);
        phone.login("alice", "wonderland").await;
        assert_eq!(phone.post("/logout/all").await.status(), StatusCode::NO_CONTENT);
        assert_eq!((phone.me().await, alice.me().await, bob.me().await), (401, 401, 200));
        assert_eq!(bob.post("/logout").await.status(), StatusCode::NO_CONTENT);
        assert_eq!(bob.me().await, 401);
    });
}

/// S-16: an unknown user and a wrong password are told the same.
#[test]
fn s_16_an_unknown_user_and_a_wrong_password_look_alike() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let browser = Browser::new(&server.url);
        let mut answers = Vec::new();
        for (name, password) in
            [("alice", "wrong"), ("nobody", "wonderland"), ("", ""), ("ALICE", "wonderland")]
        {
            let answer = browser.login(name, password).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert!(answer.headers().get("set-cookie").is_none());
            answers.push(answer.text().await.unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(answers[0].contains("invalid_credentials"));
    });
}

/// Bad bodies get an answer of 4xx that says what is wrong, and the server goes on.
#[test]
fn bad_bodies() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let browser = Browser::new(&server.url);
        let long = format!(r#"{{"username":"alice","password":"{}"}}"#, "x".repeat(1_000_000));
        for (body, status, says) in [
            ("", 411, "missing `Content-Length` header"),
            ("{", 400, "parse error"),
            ("[]", 400, "parse error"),
            (r#"{"username":"alice"}"#, 400, "missing field `password`"),
            (r#"{"username":1,"password":"x"}"#, 400, "invalid type"),
            (r#"{"username":"alice","password":"wonderland","admin":true}"#, 400, "unknown field `admin`"),
            (&long, 413, "payload too large"),
        ] {
            let request = browser.request(Method::POST, "/login").header("content-type", "application/json");
            // A connection of its own: the server closes one whose request it has not read to the end.
            let sent = request.header("connection", "close").body(body.to_owned()).send().await;
            let answer = match sent {
                Ok(answer) => answer,
                // It may do so before the client has sent everything, and hence before that reads the answer.
                Err(error) if status == 413 && !error.is_timeout() => continue,
                Err(error) => panic!("{error:?}: {}", &body[..body.len().min(80)]),
            };
            assert_eq!(answer.status().as_u16(), status, "{}", &body[..body.len().min(80)]);
            let text = answer.text().await.unwrap();
            assert!(text.contains(says), "{text}");
        }
        let answer = browser.request(Method::POST, "/login").body("username=alice").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 415);
        assert_eq!(browser.login("alice", "wonderland").await.status(), StatusCode::OK);
    });
}

/// Sends bytes as they are and returns the status line that comes back, if any does.
async fn raw(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read everything.
    let _ = socket.write_all(request).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

/// Bad headers: empty, binary, malformed and one of a megabyte.
#[test]
fn bad_headers() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let address = server.url.strip_prefix("http://").unwrap();
        let with = |header: &[u8]| {
            [b"GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", header, b"\r\n\r\n"].concat()
        };
        for header in [
            &b"Cookie: __Host-access_token="[..],
            b"Cookie: __Host-access_token=\xff\xfe\x80",
            b"Cookie: __Host-access_token=a; __Host-refresh_token=\x80",
            b"Cookie: ;;;=;;",
            b"Authorization: Bearer \xff",
            b"Authorization: Bearer a.b.c",
        ] {
            assert_eq!(raw(address, &with(header)).await, "HTTP/1.1 401 Unauthorized", "{header:?}");
        }
        let megabyte = [b"Cookie: __Host-access_token=".to_vec(), vec![b'a'; 1 << 20]].concat();
        let answer = raw(address, &with(&megabyte)).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        let many = (0..600).map(|n| format!("__Host-access_token=v{n}; ")).collect::<String>();
        assert_eq!(
            raw(address, &with(format!("Cookie: {many}").as_bytes())).await,
            "HTTP/1.1 401 Unauthorized"
        );
        let browser = Browser::new(&server.url);
        assert_eq!(browser.login("alice", "wonderland").await.status(), StatusCode::OK);
        assert_eq!(browser.me().await, 200);
    });
}

/// Returns what a cookie of a fresh login says, and its `Set-Cookie` line.
async fn set_cookies(browser: &Browser) -> Vec<String> {
    let answer = browser.login("alice", "wonderland").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let lines = answer.headers().get_all("set-cookie").iter();
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// `JWTAUTH_SECRET`: its bytes are the HS256 key of access tokens, and not of refresh tokens.
#[test]
fn the_secret_is_the_key_of_access_tokens() {
    const SECRET: &str = "a secret of the tests, 0123456789 ABCDEF";
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).env("JWTAUTH_SECRET", SECRET).start();
        assert!(!data.path().join("secret").exists(), "none is generated");
        let browser = Browser::new(&server.url);
        browser.login("alice", "wonderland").await;
        // Signed again by another implementation of HMAC, with the very bytes.
        let is_signed_by_the_secret = |token: &str| {
            let (message, signature) = token.rsplit_once('.').unwrap();
            let script = "import hmac,sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), 'sha256').hexdigest())";
            let run = std::process::Command::new("python3").args(["-c", script, SECRET, message]).output();
            let Ok(run) = run else {
                println!("skipped: no python3 to sign with");
                return None;
            };
            let signature = BASE64URL.decode(signature).unwrap();
            let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(String::from_utf8(run.stdout).unwrap().trim() == hex)
        };
        assert_ne!(is_signed_by_the_secret(&browser.cookie("access_token").unwrap()), Some(false));
        assert_ne!(is_signed_by_the_secret(&browser.cookie("refresh_token").unwrap()), Some(true));
    });
}

/// The generated secret is private, and sessions outlive the process with it.
#[test]
fn a_restart_keeps_sessions_and_secret() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = in_directory(data.path());
        let server = program.start();
        let browser = Browser::new(&server.url);
        browser.login("alice", "wonderland").await;
        let cookie = format!("__Host-access_token={}", browser.cookie("access_token").unwrap());
        let (status, log) = server.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(data.path().join("secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let server = program.start();
        let browser = Browser::new(&server.url);
        let me = browser.request(Method::GET, "/me").header("cookie", cookie).send().await.unwrap();
        assert_eq!(me.status(), StatusCode::OK);
    });
}

/// `JWTAUTH_DEV=1`: plain names, no `Secure`, and a warning.
#[test]
fn dev_cookies() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).env("JWTAUTH_DEV", "1").start();
        let browser = Browser::new(&server.url);
        for (line, name) in set_cookies(&browser).await.iter().zip(["access_token", "refresh_token"]) {
            assert!(line.starts_with(&format!("{name}=ey")), "{line}");
            assert!(
                line.contains("; Path=/; Max-Age=86") && line.ends_with("; HttpOnly; SameSite=Lax"),
                "{line}"
            );
        }
        assert_eq!(browser.me().await, 200);
        let (_, log) = server.terminate();
        assert!(log.contains("WARN") && log.contains("without Secure"), "{log}");
    });
}

/// The lifetimes are what the environment says.
#[test]
fn lifetimes() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = in_directory(data.path())
            .env("JWTAUTH_ACCESS_TTL", "1")
            .env("JWTAUTH_REFRESH_TTL", "7")
            .env("JWTAUTH_GRACE", "0");
        let server = program.start();
        let browser = Browser::new(&server.url);
        for line in set_cookies(&browser).await {
            // A second may pass between the login and its answer.
            assert!(line.contains("; Max-Age=7;") || line.contains("; Max-Age=6;"), "{line}");
        }
        let first = browser.cookie("refresh_token").unwrap();
        let lifetime =
            |token: &str| claims(token)["exp"].as_u64().unwrap() - claims(token)["iat"].as_u64().unwrap();
        assert_eq!(lifetime(&browser.cookie("access_token").unwrap()), 1);
        assert_eq!(lifetime(&first), 7);
        let expired = browser.cookie("access_token").unwrap();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(browser.me().await, 200, "renewed in the request that found it expired");
        assert_ne!(browser.cookie("access_token").unwrap(), expired);
        // No grace: the spent token ends the session at once.
        let spent = format!("__Host-refresh_token={first}");
        let reuse = Browser::new(&server.url).request(Method::POST, "/refresh").header("cookie", spent);
        assert_eq!(reuse.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(browser.me().await, 401);
        let (_, log) = server.terminate();
        assert!(log.contains("reuse_detected"), "{log}");
    });
}

/// SIGTERM lets a request in flight finish, and the program ends with 0.
#[test]
fn sigterm_drains() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let browser = Browser::new(&server.url);
        browser.login("alice", "wonderland").await;
        let slow = tokio::spawn({
            let browser = browser.clone();
            async move { browser.get("/slow").await.status().as_u16() }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let start = Instant::now();
        let (status, log) = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(slow.await.unwrap(), 200);
    });
}

/// Settings that are refused, each with a message that says which and what to do, and exit code 1.
#[test]
fn bad_settings_say_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    for (name, value, says) in [
        ("JWTAUTH_SECRET", "short", "openssl rand -base64 48"),
        ("JWTAUTH_SECRET", "", "openssl rand -base64 48"),
        ("JWTAUTH_SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "fewer than 10 different bytes"),
        ("JWTAUTH_ACCESS_TTL", "5m", "JWTAUTH_ACCESS_TTL must be a number of seconds, got \"5m\""),
        (
            "JWTAUTH_ACCESS_TTL",
            "0",
            r#"access_ttl "0 seconds" is refused: it must be between 1 second and 1 day"#,
        ),
        (
            "JWTAUTH_REFRESH_TTL",
            "9999999999",
            r#"refresh_ttl "9999999999 seconds" is refused: it must be between"#,
        ),
        ("JWTAUTH_ADDR", "nowhere", "cannot listen on nowhere"),
        ("JWTAUTH_ADDR", "203.0.113.1:1", "cannot listen on 203.0.113.1:1"),
    ] {
        let (code, said) = in_directory(data.path()).env(name, value).fail();
        assert_eq!(code, Some(1), "{name}={value}: {said}");
        assert!(said.contains(says), "{name}={value}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// A body is problem+json with the members that clients rely on.
#[test]
fn problems_have_their_members() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let server = in_directory(data.path()).start();
        let answer = Browser::new(&server.url).get("/me").await;
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body: Value = body_of(answer).await;
        let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["code", "detail", "status", "title", "type"]);
        assert_eq!((&body["status"], &body["type"]), (&json!(401), &json!("about:blank")));
    });
}
