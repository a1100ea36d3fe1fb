//! Logins, as a client sees them.

use jwtauth::{AccountsConfig, JwtAuth, MemoryStore};
use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem::http::{StatusCode, header};
use poem::test::{TestClient, TestResponse};
use serde_json::{Value, json};

use my_api::app;

type Client = TestClient<BoxEndpoint<'static, Response>>;

fn client() -> (JwtAuth, Client) {
    let builder = JwtAuth::builder()
        .secret(*b"a secret of the tests, 32 bytes.")
        .accounts(AccountsConfig::default());
    let auth = builder
        .build(MemoryStore::new())
        .expect("the settings fit together");
    (auth.clone(), TestClient::new(app(auth)))
}

fn credentials() -> Value {
    json!({ "username": "alice", "password": "through the looking glass" })
}

/// Returns the cookies of an answer as a browser sends them back.
fn cookies(answer: &TestResponse) -> String {
    let set = answer.0.headers().get_all(header::SET_COOKIE).iter();
    let pairs = set.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}

async fn get(client: &Client, path: &str, cookies: &str) -> StatusCode {
    client
        .get(path)
        .header(header::COOKIE, cookies)
        .send()
        .await
        .0
        .status()
}

#[tokio::test]
async fn a_user_registers_logs_in_and_logs_out() {
    let (_, client) = client();
    client
        .get("/hello")
        .send()
        .await
        .assert_status(StatusCode::UNAUTHORIZED);
    client
        .post("/auth/register")
        .body_json(&credentials())
        .send()
        .await
        .assert_status(StatusCode::CREATED);
    let login = client
        .post("/auth/obtain")
        .body_json(&credentials())
        .send()
        .await;
    login.assert_status_is_ok();
    let cookies = cookies(&login);
    let hello = client
        .get("/hello")
        .header(header::COOKIE, &cookies)
        .send()
        .await;
    hello.assert_json(json!({ "hello": "alice" })).await;

    // Whoever kept the tokens is logged out too.
    let logout = client
        .post("/auth/logout")
        .header(header::COOKIE, &cookies)
        .send()
        .await;
    logout.assert_status(StatusCode::NO_CONTENT);
    assert_eq!(
        get(&client, "/hello", &cookies).await,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let (_, client) = client();
    client
        .post("/auth/register")
        .body_json(&credentials())
        .send()
        .await
        .assert_status(StatusCode::CREATED);
    let wrong = json!({ "username": "alice", "password": "another password" });
    let login = client.post("/auth/obtain").body_json(&wrong).send().await;
    login.assert_status(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_numbers_are_for_admins() {
    let (auth, client) = client();
    client
        .post("/auth/register")
        .body_json(&credentials())
        .send()
        .await
        .assert_status(StatusCode::CREATED);
    let cookies = cookies(
        &client
            .post("/auth/obtain")
            .body_json(&credentials())
            .send()
            .await,
    );
    assert_eq!(
        get(&client, "/numbers", &cookies).await,
        StatusCode::FORBIDDEN
    );

    // As `jwtauth accounts roles alice admin` does.
    let accounts = auth.accounts().expect("the builder has accounts");
    let alice = accounts
        .by_name("alice")
        .await
        .expect("a store in memory")
        .expect("she is registered");
    accounts
        .set_roles(alice.id, ["admin"])
        .await
        .expect("a role");
    assert_eq!(get(&client, "/numbers", &cookies).await, StatusCode::OK);
}
