//! The example with roles: who may do what.

use reqwest::Method;
use tests::bounded;
use tests::program::Running;

use super::forms::Browser;
use super::start;

async fn log_in<'s>(server: &'s Running, name: &str) -> Browser<'s> {
    let browser = Browser::new(server);
    let form = serde_json::json!({"username": name, "password": name});
    let answer = browser.request(Method::POST, "/login").json(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{name}");
    browser
}

#[test]
fn everyone_may_do_what_their_roles_and_scopes_say() {
    bounded(async {
        let server = start(env!("CARGO_BIN_EXE_roles"));
        let stranger = Browser::new(&server);
        let [alice, bob, carol] =
            [log_in(&server, "alice").await, log_in(&server, "bob").await, log_in(&server, "carol").await];
        for (method, path, expected) in [
            ("GET", "/posts/1", [401, 200, 200, 200]),
            ("GET", "/posts/9", [401, 404, 404, 404]),
            // Bob's own, and alice's: she may edit both, carol has the role and not the scope.
            ("PUT", "/posts/1", [401, 403, 200, 200]),
            ("PUT", "/posts/2", [401, 403, 403, 200]),
            ("PUT", "/posts/9", [401, 403, 404, 404]),
            ("GET", "/admin/posts", [401, 403, 403, 200]),
            ("GET", "/admin/nowhere", [401, 403, 403, 404]),
            ("DELETE", "/posts/1", [401, 403, 403, 200]),
            ("DELETE", "/posts/1", [401, 403, 403, 404]),
            ("GET", "/posts/1", [401, 404, 404, 404]),
        ] {
            for (browser, expected) in [&stranger, &carol, &bob, &alice].into_iter().zip(expected) {
                let request = browser.request(method.parse().unwrap(), path).body("new text");
                assert_eq!(request.send().await.unwrap().status(), expected, "{method} {path}");
            }
        }
        let read = alice.request(Method::GET, "/posts/2").send().await.unwrap().text().await.unwrap();
        assert_eq!(read, r#"{"author":"alice","text":"new text"}"#);
        let refused = carol.request(Method::PUT, "/posts/1").send().await.unwrap();
        let challenge = r#"Bearer realm="api", error="insufficient_scope", scope="posts:write""#;
        assert_eq!(refused.headers()["www-authenticate"], challenge);
    });
}
