//! Accounts in handlers and behind the ready-made routes.

use jwtauth::error::ConfigError;
use jwtauth::{Account, Accounts, AccountsConfig, Auth, JwtAuth, require_auth};
use poem::http::{HeaderMap, header};
use poem::test::TestClient;
use poem::web::{Json, RemoteAddr};
use poem::{Endpoint, EndpointExt, Result, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::app::{SECRET, TestApp};
use tests::bounded;
use tests::faulty::Faulty;
use tests::test_store::TestStore;
use tests::wire::Tokens;

use super::{OTHER, PASSWORD, accounts, app, register};

#[derive(Deserialize)]
struct Form {
    name: String,
    password: String,
}

#[handler]
async fn sign_up(auth: Auth, accounts: &Accounts, Json(form): Json<Form>) -> Result<Json<Account>> {
    let account = accounts.register(&form.name, &form.password).await?;
    auth.login(&account).await?;
    Ok(Json(account))
}

#[handler]
async fn login(
    auth: Auth,
    accounts: &Accounts,
    peer: &RemoteAddr,
    Json(form): Json<Form>,
) -> Result<Json<Account>> {
    let peer = peer.as_socket_addr().map(|peer| peer.ip());
    let account = accounts.verify(&form.name, &form.password, peer).await?;
    auth.login(&account).await?;
    Ok(Json(account))
}

#[require_auth]
async fn me(user: Account) -> Json<Account> {
    Json(user)
}

#[require_auth(role = "admin")]
async fn admin(user: Account) -> String {
    user.name
}

fn client(app: &TestApp) -> TestClient<impl Endpoint + use<>> {
    let mut routes = Route::new()
        .at("/sign-up", post(sign_up))
        .at("/login", post(login))
        .at("/me", get(me))
        .at("/admin", get(admin));
    if let Some(accounts) = app.jwtauth.accounts() {
        routes = routes.nest("/auth", app.jwtauth.routes(accounts.clone()));
    }
    TestClient::new(routes.with(app.jwtauth.clone()))
}

async fn send(client: &TestClient<impl Endpoint>, path: &str, body: Value) -> (u16, HeaderMap, Value) {
    parts(client.post(path).body_json(&body).send().await.0).await
}

async fn look(client: &TestClient<impl Endpoint>, path: &str, tokens: &Tokens) -> (u16, HeaderMap, Value) {
    parts(client.get(path).header("cookie", tokens.cookies()).send().await.0).await
}

async fn parts(mut response: poem::Response) -> (u16, HeaderMap, Value) {
    let text = response.take_body().into_string().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(text.into());
    (response.status().as_u16(), response.headers().clone(), body)
}

fn form(name: &str, password: &str) -> Value {
    json!({"name": name, "password": password})
}

#[test]
fn an_account_signs_up_logs_in_and_is_an_argument() {
    bounded(async {
        let app = app();
        let client = client(&app);
        let (status, headers, body) = send(&client, "/sign-up", form("Alice", PASSWORD)).await;
        assert_eq!((status, &body["name"], &body["active"]), (200, &json!("Alice"), &json!(true)));
        assert!(body.get("hash").is_none() && !body.to_string().contains("argon2"), "{body}");
        let tokens = Tokens::of(&headers);
        let (status, _, shown) = look(&client, "/me", &tokens).await;
        assert_eq!((status, shown), (200, body.clone()));
        assert_eq!(look(&client, "/admin", &tokens).await.0, 403);
        let id = body["id"].as_str().unwrap().parse().unwrap();
        accounts(&app).set_roles(id, ["admin"]).await.unwrap();
        assert_eq!(look(&client, "/admin", &tokens).await.0, 200, "with the next request");
        let (status, headers, _) = send(&client, "/login", form("ALICE", PASSWORD)).await;
        assert_eq!(status, 200);
        let second = Tokens::of(&headers);
        accounts(&app).disable(id).await.unwrap();
        for tokens in [&tokens, &second] {
            assert_eq!(look(&client, "/me", tokens).await.0, 401, "with the next request");
        }
    });
}

/// S-16: unknown user, wrong password and disabled account are one answer, to the byte.
#[test]
fn s_16_refusals_are_alike_over_http() {
    bounded(async {
        let app = app();
        let client = client(&app);
        register(&app, "alice").await;
        let off = register(&app, "off").await;
        accounts(&app).disable(off.id).await.unwrap();
        let mut answers = Vec::new();
        for (name, password) in [("alice", OTHER), ("nobody", OTHER), ("off", PASSWORD), ("a b", OTHER)] {
            answers.push(send(&client, "/login", form(name, password)).await);
            let ready = json!({"username": name, "password": password});
            answers.push(send(&client, "/auth/obtain", ready).await);
        }
        let (status, _, body) = &answers[0];
        assert_eq!((*status, &body["code"]), (401, &json!("invalid_credentials")));
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    });
}

#[test]
fn refusals_say_what_to_do() {
    bounded(async {
        let app = app();
        let client = client(&app);
        register(&app, "alice").await;
        for (name, password, status, code) in [
            ("Alice", PASSWORD, 409, "name_taken"),
            ("a b", PASSWORD, 400, "invalid_name"),
            ("bob", "short", 400, "invalid_password"),
        ] {
            let (got, headers, body) = send(&client, "/sign-up", form(name, password)).await;
            assert_eq!((got, &body["code"]), (status, &json!(code)), "{body}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        }
        for path in ["/login", "/auth/obtain"] {
            for _ in 0..5 {
                let body = json!({"name": path, "username": path, "password": OTHER});
                assert_eq!(send(&client, path, body).await.0, 401);
            }
            let body = json!({"name": path, "username": path, "password": OTHER});
            let (status, headers, body) = send(&client, path, body).await;
            assert_eq!((status, &body["code"]), (429, &json!("rate_limited")), "{path}");
            assert_eq!(headers[header::RETRY_AFTER], "1");
        }
    });
}

#[test]
fn the_ready_made_routes_log_accounts_in() {
    bounded(async {
        let app = app();
        let client = client(&app);
        register(&app, "alice").await;
        let body = json!({"username": "alice", "password": PASSWORD});
        let (status, headers, _) = send(&client, "/auth/obtain", body).await;
        assert_eq!(status, 200);
        let (status, _, shown) = look(&client, "/me", &Tokens::of(&headers)).await;
        assert_eq!((status, &shown["name"]), (200, &json!("alice")));
    });
}

#[test]
fn accounts_that_were_not_asked_for_are_a_mistake_that_is_said() {
    bounded(async {
        let app = TestApp::new();
        assert!(app.jwtauth.accounts().is_none());
        for refused in [
            app.jwtauth.account_routes().map(drop),
            app.jwtauth.pages().map(drop),
            app.jwtauth.admin_pages().map(drop),
        ] {
            assert!(matches!(refused, Err(ConfigError::NoAccounts)), "{refused:?}");
        }
        let (status, _, body) = send(&client(&app), "/sign-up", form("alice", PASSWORD)).await;
        assert_eq!((status, &body["code"]), (500, &json!("server_error")));
        // A store that keeps none, and a setting out of bounds, are refused at start.
        let builder = || JwtAuth::builder().secret(SECRET);
        let refused = builder().accounts(AccountsConfig::default()).build(Faulty::default());
        assert!(matches!(refused, Err(ConfigError::NotKept { method: "account_store", .. })), "{refused:?}");
        let weak = AccountsConfig::default().argon2(19_455, 2, 1);
        let refused = builder().accounts(weak).build(TestStore::new());
        let refused = refused.unwrap_err();
        assert!(matches!(refused, ConfigError::Setting { name: "AccountsConfig::argon2", .. }), "{refused}");
        for part in ["19455 KiB, 2 passes", "too weak", "take 19456 KiB and 2 passes"] {
            assert!(refused.to_string().contains(part), "{part} is not in {refused}");
        }
        assert!(JwtAuth::dev().unwrap().accounts().is_some(), "development has them at once");
    });
}
