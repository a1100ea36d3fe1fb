//! The example `verifier`: a service that logs in, and a shop that knows its public keys.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tests::bounded;
use tests::program::Program;

#[test]
fn a_shop_takes_the_tokens_of_another_service() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_verifier"));
        let server = program.data(data.path()).env("JWTAUTH_SHOP_ADDR", "127.0.0.1:0").start();
        let (login, shop) = server.url.split_once(" and the shop on ").unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        let post = async |path: &str, body: Value| {
            let answer = client.post(format!("{login}/auth/{path}")).json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default())
        };
        let obtain = async |name: &str| {
            let (status, tokens) = post("obtain", json!({"username": name, "password": name})).await;
            assert_eq!(status, 200, "{name}");
            tokens
        };
        let ask = async |method: Method, path: &str, token: &str| {
            let request = client.request(method, format!("{shop}{path}")).body("12");
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(post("obtain", json!({"username": "alice", "password": "bob"})).await.0, 401);
        let (alice, bob) = (obtain("alice").await, obtain("bob").await);
        let access = |tokens: &Value| tokens["access"].as_str().unwrap().to_owned();

        let (status, me) = ask(Method::GET, "/me", &access(&alice)).await;
        assert_eq!((status, me.starts_with("alice, until 1")), (200, true), "{me}");
        for (token, expected) in
            [("", 401), (alice["refresh"].as_str().unwrap(), 401), ("x", 401), (&access(&bob), 403)]
        {
            assert_eq!(ask(Method::PUT, "/stock/tea", token).await.0, expected);
        }
        assert_eq!(ask(Method::GET, "/stock/tea", "").await.0, 404, "everybody may ask");
        let filled = ask(Method::PUT, "/stock/tea", &access(&alice)).await;
        assert_eq!(filled, (200, "alice says: 12 of tea".into()));
        assert_eq!(ask(Method::GET, "/stock/tea", "").await, (200, "12".into()));
        assert_eq!(ask(Method::GET, "/nowhere", "").await.0, 401);

        let (status, renewed) = post("refresh", json!({"refresh": alice["refresh"]})).await;
        assert_eq!((status, ask(Method::GET, "/me", &access(&renewed)).await.0), (200, 200));
    });
}
