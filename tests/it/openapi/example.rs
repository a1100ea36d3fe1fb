//! The example `openapi` as a stranger meets it: a program, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use tests::bounded;
use tests::browser::{Browser, json as body_of};
use tests::program::Program;

fn program() -> Program {
    // A release build asks for the latter.
    Program::new(env!("CARGO_BIN_EXE_openapi")).env("JWTAUTH_ALLOW_DEV", "1")
}

#[test]
fn every_operation_answers_as_documented() {
    bounded(async {
        let server = program().start();
        let [stranger, alice, bob] = [(); 3].map(|()| Browser::new(&server.at("/api")));
        let form = |name: &str| json!({"username": name, "password": "wrong"});
        let wrong = stranger.request(Method::POST, "/login").json(&form("alice")).send().await.unwrap();
        assert_eq!(body_of(wrong).await["code"], "invalid_credentials");
        assert_eq!(alice.login("alice", "wonderland").await.status(), 200);
        assert_eq!(bob.login("bob", "builder").await.status(), 200);
        for (method, path, expected) in [
            (Method::GET, "/me", [401, 200, 200]),
            (Method::GET, "/hello", [200, 200, 200]),
            (Method::POST, "/notes", [401, 200, 200]),
            (Method::DELETE, "/notes", [401, 403, 200]),
        ] {
            for (browser, expected) in [&stranger, &bob, &alice].into_iter().zip(expected) {
                let request = browser.request(method.clone(), path);
                let request = request.header("content-type", "text/plain; charset=utf-8").body("a note");
                assert_eq!(request.send().await.unwrap().status(), expected, "{method} {path}");
            }
        }
        assert_eq!(bob.get("/hello").await.text().await.unwrap(), "Hello, bob!\n");
        assert_eq!(body_of(bob.get("/me").await).await, json!({"id": 2, "name": "bob", "roles": []}));
        assert_eq!(bob.post("/logout").await.status(), 200);
        assert_eq!(bob.me().await, 401);
    });
}

#[test]
fn the_document_and_its_pages_are_served() {
    bounded(async {
        let server = program().start();
        let browser = Browser::new(&server.url);
        let page = browser.get("/docs").await;
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains("swagger-ui"));
        let document = body_of(browser.get("/openapi.json").await).await;
        let cookie = &document["components"]["securitySchemes"]["cookie"];
        assert_eq!(cookie["name"], "access_token", "the cookie that this program sets");
        assert_eq!(document["paths"]["/me"]["get"]["security"], json!([{"cookie": []}, {"bearer": []}]));
        assert_eq!(document["paths"]["/login"]["post"]["security"], Value::Null);
        // A token in place of cookies, as a client made from the document sends it.
        let form = json!({"username": "bob", "password": "builder"});
        browser.request(Method::POST, "/api/login").json(&form).send().await.unwrap();
        let token = browser.cookie("access_token").expect("a token");
        let client = Browser::new(&server.url);
        let answered = client.request(Method::GET, "/api/me").bearer_auth(token).send().await.unwrap();
        assert_eq!(answered.status(), 200);
    });
}
