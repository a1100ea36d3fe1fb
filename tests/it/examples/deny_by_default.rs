//! The example `deny_by_default`: what is not listed is closed, and its list is what is open.

use jwtauth::{JwtAuth, MemoryStore, testing};
use reqwest::Method;
use serde_json::json;
use tests::app::SECRET;
use tests::bounded;
use tests::browser::Browser;
use tests::program::Program;

#[expect(dead_code, reason = "its `main` is run as a program")]
#[path = "../../../examples/deny_by_default.rs"]
mod example;

#[test]
fn h_11_a_handler_without_a_guard_is_closed_to_strangers() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_deny_by_default"));
        let server = program.data(data.path()).start();
        let [stranger, alice] = [(); 2].map(|()| Browser::new(&server.url));
        let login = |password| alice.request(Method::POST, "/login").json(&json!(password)).send();
        assert_eq!(login("wrong").await.unwrap().status(), 401);
        assert_eq!(login("wonderland").await.unwrap().status(), 200);
        for (method, path, expected) in [
            (Method::GET, "/", [200, 200]),
            (Method::GET, "/posts/1", [200, 200]),
            (Method::HEAD, "/posts/1", [200, 200]),
            (Method::POST, "/posts/1", [401, 200]),
            (Method::GET, "/assets/style.css", [200, 200]),
            (Method::GET, "/assets/nothing.css", [404, 404]),
            (Method::GET, "/drafts", [401, 200]),
            (Method::POST, "/drafts", [401, 405]),
            (Method::GET, "/nowhere", [401, 404]),
            (Method::GET, "/login", [401, 405]),
        ] {
            for (browser, expected) in [&stranger, &alice].into_iter().zip(expected) {
                let answer = browser.request(method.clone(), path).send().await.unwrap();
                assert_eq!(answer.status(), expected, "{method} {path}");
            }
        }
        assert_eq!(alice.post("/logout").await.status(), 200);
        assert_eq!(alice.get("/drafts").await.status(), 401);
    });
}

#[test]
fn its_list_is_what_is_open() {
    bounded(async {
        let builder = example::guarded(JwtAuth::builder().secret(SECRET));
        let app = example::app(builder.build(MemoryStore::new()).unwrap());
        let routes = [
            "GET /",
            "POST /login",
            "POST /logout",
            "GET /posts/1",
            "POST /posts/1",
            "GET /drafts",
            "GET /assets/style.css",
        ];
        let open = ["GET /", "POST /login", "POST /logout", "GET /posts/1", "GET /assets/style.css"];
        assert_eq!(testing::open_routes(&app, routes).await, open);
    });
}
