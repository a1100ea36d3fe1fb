//! What other services may ask about tokens: introspection (RFC 7662) and revocation (RFC 7009).

mod api_keys;
mod common_clients;
mod refusals;

use jwtauth::{LoginAttempt, LoginError};
use poem::http::header;
use poem::test::TestClient;
use poem::{Endpoint, EndpointExt, Route};
use serde_json::{Value, json};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::test_store::TestStore;
use tests::wire::claims;

const SECRET: &str = "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uA+:%";

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

fn client(app: &TestApp) -> TestClient<impl Endpoint + use<>> {
    let auth = app.jwtauth.routes(authenticate).body_tokens().service("billing", SECRET).unwrap();
    TestClient::new(Route::new().nest("/auth", auth).with(app.jwtauth.clone()))
}

/// The header of a service, encoded as in a form.
fn basic(name: &str, secret: &str) -> String {
    let encoded = |text: &str| text.replace('%', "%25").replace('+', "%2B").replace(':', "%3A");
    raw_basic(format!("{}:{}", encoded(name), encoded(secret)))
}

fn raw_basic(pair: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

async fn obtain<E: Endpoint>(client: &TestClient<E>) -> Value {
    let body = json!({"username": "alice", "password": "right"});
    let answer = client.post("/auth/obtain").body_json(&body).send().await.0;
    serde_json::from_str(&answer.into_body().into_string().await.unwrap()).unwrap()
}

/// Asks as a service, with a form as the standards have it, and with the hint that says which kind it is.
async fn ask<E: Endpoint>(
    client: &TestClient<E>,
    path: &str,
    authorization: &str,
    token: &Value,
) -> (u16, Value) {
    let token = token.as_str().unwrap();
    // Of what is no token a service knows no kind, so it takes the one that it is asked about.
    let is_refresh = token.split('.').nth(1).is_some_and(|claims| claims.len() > 10)
        && claims(token)["token_type"] == "refresh";
    let hint = if is_refresh { "refresh_token" } else { "access_token" };
    ask_with(client, path, authorization, format!("token={token}&token_type_hint={hint}")).await
}

/// Asks with this form.
async fn ask_with<E: Endpoint>(
    client: &TestClient<E>,
    path: &str,
    authorization: &str,
    form: impl Into<String>,
) -> (u16, Value) {
    let mut request = client.post(path).content_type("application/x-www-form-urlencoded");
    if !authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let answer = request.body(form.into()).send().await.0;
    let status = answer.status().as_u16();
    let text = answer.into_body().into_string().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn s_14_a_good_token_is_described_and_any_other_is_exactly_inactive() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let tokens = obtain(&client).await;
        let billing = basic("billing", SECRET);
        let inactive = (200, json!({"active": false}));
        let (status, said) = ask(&client, "/auth/oauth/introspect", &billing, &tokens["access"]).await;
        assert_eq!((status, &said["active"], &said["sub"]), (200, &json!(true), &json!("alice")));
        assert_eq!(
            (&said["token_type"], &said["exp"], &said["iat"]),
            (&json!("Bearer"), &json!(START + 300), &json!(START))
        );
        assert_eq!(
            (&said["iss"], &said["aud"], &said["roles"]),
            (&json!("jwtauth"), &json!("jwtauth"), &json!(["admin"]))
        );
        let (_, said) = ask(&client, "/auth/oauth/introspect", &billing, &tokens["refresh"]).await;
        assert_eq!(
            (&said["active"], &said["token_type"], &said["exp"]),
            (&json!(true), &json!("refresh_token"), &json!(START + 86_400))
        );
        for token in ["x", "a.b.c", "%00"] {
            assert_eq!(
                ask(&client, "/auth/oauth/introspect", &billing, &json!(token)).await,
                inactive,
                "{token}"
            );
        }
        // An access token that expired, while its session goes on.
        app.clock.advance(std::time::Duration::from_secs(300));
        assert_eq!(ask(&client, "/auth/oauth/introspect", &billing, &tokens["access"]).await, inactive);
        app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        assert_eq!(ask(&client, "/auth/oauth/introspect", &billing, &tokens["refresh"]).await, inactive);
    });
}

/// N-25, J-10: a service that asks whether a bearer token is good gets no yes for a refresh token, whatever it looks at.
#[test]
fn n_25_j_10_a_refresh_token_is_active_only_for_those_who_ask_for_one() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let tokens = obtain(&client).await;
        let (access, refresh) = (tokens["access"].as_str().unwrap(), tokens["refresh"].as_str().unwrap());
        let told = async |token: &str, more: &str| {
            let form = format!("token={token}{more}");
            ask_with(&client, "/auth/oauth/introspect", &basic("billing", SECRET), form).await
        };
        for hint in
            ["", "access_token", "Bearer", "refresh", "REFRESH_TOKEN", "refresh_token&token_type_hint=x"]
        {
            let more = format!("&token_type_hint={hint}");
            assert_eq!(told(refresh, &more).await, (200, json!({"active": false})), "{hint}");
            assert_eq!(told(access, &more).await.1["active"], json!(true), "{hint}");
        }
        assert_eq!(told(refresh, "").await, (200, json!({"active": false})));
        let (said, own) = (told(refresh, "&token_type_hint=refresh_token").await.1, claims(refresh));
        assert_eq!(
            said,
            json!({
                "active": true, "token_type": "refresh_token", "sub": "alice", "iss": "jwtauth", "iat": START,
                "exp": START + 86_400, "jti": own["jti"], "sid": own["sid"],
            })
        );
        // The search goes on with the other kinds (RFC 7662, section 2.1), and the answer says which it is.
        let said = told(access, "&token_type_hint=refresh_token").await.1;
        assert_eq!(
            (&said["token_type"], &said["roles"], &said["client_id"]),
            (&json!("Bearer"), &json!(["admin"]), &json!("jwtauth"))
        );
    });
}

#[test]
fn s_14_revocation_answers_200_whatever_the_token_is() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let tokens = obtain(&client).await;
        let billing = basic("billing", SECRET);
        let active = async |token: &Value| {
            ask(&client, "/auth/oauth/introspect", &billing, token).await.1["active"].clone()
        };
        for _ in 0..2 {
            assert_eq!(ask(&client, "/auth/oauth/revoke", &billing, &tokens["access"]).await.0, 200);
            assert_eq!(
                (active(&tokens["access"]).await, active(&tokens["refresh"]).await),
                (json!(false), json!(true))
            );
        }
        for _ in 0..2 {
            assert_eq!(ask(&client, "/auth/oauth/revoke", &billing, &tokens["refresh"]).await.0, 200);
            assert_eq!(active(&tokens["refresh"]).await, json!(false));
        }
        assert_eq!(ask(&client, "/auth/oauth/revoke", &billing, &json!("garbage")).await.0, 200);
        assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 0);
    });
}

#[test]
fn nobody_but_a_service_is_told_anything() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let tokens = obtain(&client).await;
        let bearer = format!("Bearer {}", tokens["access"].as_str().unwrap());
        let wrong = [
            String::new(),
            "Basic".into(),
            "Basic !".into(),
            bearer,
            basic("billing", "wrong"),
            basic("billing", &SECRET[1..]),
            basic("other", SECRET),
            basic("", ""),
        ];
        for path in ["/auth/oauth/introspect", "/auth/oauth/revoke"] {
            for authorization in &wrong {
                let (status, body) = ask(&client, path, authorization, &tokens["access"]).await;
                assert_eq!(
                    (status, &body["code"]),
                    (401, &json!("invalid_client")),
                    "{path} {authorization}"
                );
            }
        }
        assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 1);
        // Where no service is known there is no such route.
        let auth = app.jwtauth.routes(authenticate);
        let closed = TestClient::new(Route::new().nest("/auth", auth));
        assert_eq!(ask(&closed, "/auth/oauth/introspect", "", &tokens["access"]).await.0, 404);
    });
}

#[test]
fn n_26_a_service_needs_a_name_and_a_good_secret() {
    for (name, secret) in [("", SECRET), ("a:b", SECRET), ("billing", "short")] {
        let app = TestApp::with(TestStore::new(), |builder| builder);
        let refused = app.jwtauth.routes(authenticate).service(name, secret).unwrap_err().to_string();
        assert!(refused.contains("service"), "{refused}");
        assert!(!refused.contains("short"), "a secret is never shown: {refused}");
        assert_eq!(secret == "short", refused.contains("`openssl rand -hex 32`"), "{refused}");
        assert!(!refused.contains("base64"), "{refused}");
    }
}

#[test]
fn r_5_an_outage_is_neither_inactive_nor_revoked() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app);
        let tokens = obtain(&client).await;
        store.set(Fault::Error, Fault::Error);
        for path in ["/auth/oauth/introspect", "/auth/oauth/revoke"] {
            for kind in ["access", "refresh"] {
                let (status, body) = ask(&client, path, &basic("billing", SECRET), &tokens[kind]).await;
                assert_eq!((status, &body["code"]), (503, &json!("store_unavailable")), "{path} {kind}");
            }
        }
    });
}
