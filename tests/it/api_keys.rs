//! API keys for programs: how they are made and shown, what they may do, and how they end.

mod bounds;
mod ends;
mod owners;
mod people;
mod program;
mod refused;
mod rights;
mod routes;

use std::time::Duration;

use jwtauth::api_keys::ApiKeyRequest;
use jwtauth::clock::ManualClock;
use jwtauth::store::SessionStore;
use jwtauth::store::codec::encode_session;
use jwtauth::{
    ApiKeyConfig, Auth, AuthUser, Identity, JwtAuth, JwtAuthBuilder, LoginAttempt, LoginError, Session,
    SessionId, StorageConfig, require_auth,
};
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::test::TestClient;
use poem::web::Json;
use poem::{EndpointExt, Response, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tests::app::{START, TestApp};
use tests::bounded;
use tests::log::logged;
use tests::test_store::TestStore;
use tests::wire::Tokens;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A user with rights.
#[derive(Clone, Debug, Serialize, Deserialize, AuthUser)]
struct Owner {
    #[auth(id)]
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
}

impl Owner {
    fn with(roles: &[&str], scopes: &[&str]) -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self { name: "olga".into(), roles: names(roles), scopes: names(scopes) }
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::with(&["admin", "editor"], &["read", "write"])
    }
}

async fn authenticate(_: LoginAttempt) -> Result<Owner, LoginError> {
    Ok(Owner::default())
}

/// What a handler of the application asks for.
#[derive(Deserialize)]
struct Wanted {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    days: Option<u64>,
}

#[handler]
async fn create(auth: Auth, Json(wanted): Json<Wanted>) -> Result<Json<Value>> {
    let request = ApiKeyRequest::new(wanted.name);
    let request = wanted.roles.into_iter().fold(request, ApiKeyRequest::role);
    let request = wanted.scopes.into_iter().fold(request, ApiKeyRequest::scope);
    let request = match wanted.days {
        Some(days) => request.ttl(Duration::from_secs(days * 24 * 60 * 60)),
        None => request,
    };
    let key = auth.api_keys().create_as(request).await?;
    Ok(Json(json!({ "id": key.session().id, "secret": key.secret() })))
}

#[handler]
async fn create_simply(auth: Auth) -> Result<String> {
    Ok(auth.api_keys().create("simple", ["read"], DAY).await?.secret().to_owned())
}

#[handler]
async fn list(auth: Auth) -> Result<Json<Vec<String>>> {
    let keys = auth.api_keys().list().await?;
    let shown = |key: &Session| key.api_key.as_ref().map(|key| key.name.clone());
    Ok(Json(keys.iter().filter_map(shown).collect()))
}

#[handler]
async fn revoke(auth: Auth, poem::web::Path(id): poem::web::Path<SessionId>) -> Result<Json<bool>> {
    Ok(Json(auth.api_keys().revoke(id).await?))
}

#[require_auth]
async fn whose(who: &Identity) -> String {
    who.api_key().map_or_else(|| who.subject().to_owned(), |key| format!("{} by {}", who.subject(), key.name))
}

#[require_auth]
async fn copy(user: Owner) -> String {
    user.name
}

#[require_auth(scope = "write")]
async fn write() {}

#[require_auth(role = "admin")]
async fn admin() {}

#[require_auth(fresh = "1h")]
async fn fresh() {}

#[require_auth(optional)]
async fn optional(user: Option<Owner>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

/// An app with keys, and a client of it.
struct Keyed {
    jwtauth: JwtAuth,
    clock: ManualClock,
    client: TestClient<BoxEndpoint<'static, Response>>,
}

/// A key, as its owner has it.
struct Made {
    id: String,
    secret: String,
}

impl Keyed {
    fn new() -> Self {
        Self::with(TestStore::new(), |builder| builder.api_keys(ApiKeyConfig::default()))
    }

    fn with(store: impl SessionStore, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        let TestApp { jwtauth, clock, .. } = TestApp::with(store, set);
        let app = Route::new()
            .nest("/auth", jwtauth.routes(authenticate).body_tokens())
            .at("/keys", post(create).get(list))
            .at("/keys/simple", post(create_simply))
            .at("/keys/:id", poem::RouteMethod::new().delete(revoke))
            .at("/who", get(whose).post(whose))
            .at("/user", get(copy))
            .at("/write", get(write))
            .at("/admin", get(admin))
            .at("/fresh", get(fresh))
            .at("/optional", get(optional))
            .with(jwtauth.clone())
            .boxed();
        Self { jwtauth, clock, client: TestClient::new(app) }
    }

    async fn login(&self) -> String {
        let form = json!({ "username": "olga", "password": "x" });
        let answer = self.client.post("/auth/obtain").body_json(&form).send().await;
        answer.assert_status_is_ok();
        let body: Value = answer.0.into_body().into_json().await.unwrap();
        body["access"].as_str().unwrap().to_owned()
    }

    async fn send(&self, method: Method, path: &str, bearer: &str, body: Option<Value>) -> (u16, String) {
        let request = self.client.request(method, path).header("authorization", format!("Bearer {bearer}"));
        let request = match body {
            Some(body) => request.body_json(&body),
            None => request,
        };
        let answer = request.send().await.0;
        (answer.status().as_u16(), answer.into_body().into_string().await.unwrap())
    }

    async fn get(&self, path: &str, bearer: &str) -> (u16, String) {
        self.send(Method::GET, path, bearer, None).await
    }

    async fn status(&self, path: &str, bearer: &str) -> u16 {
        self.get(path, bearer).await.0
    }

    /// Asks for a key as somebody who is logged in.
    async fn ask(&self, login: &str, wanted: Value) -> (u16, Value) {
        let (status, body) = self.send(Method::POST, "/keys", login, Some(wanted)).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn make(&self, login: &str, wanted: Value) -> Made {
        let (status, body) = self.ask(login, wanted).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Made { id: text("id"), secret: text("secret") }
    }
}

fn code(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    body["code"].as_str().unwrap().to_owned()
}

/// K-1: made in a handler, shown once, used as a bearer token, revoked: the next request is refused.
#[test]
fn k_1_a_key_works_until_it_is_revoked() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci", "scopes": ["read"] })).await;
        assert!(key.secret.starts_with("jwtauth_") && key.secret.len() == 69, "{}", key.secret);
        for _ in 0..3 {
            assert_eq!(app.get("/who", &key.secret).await, (200, "olga by ci".into()));
        }
        assert_eq!(app.get("/user", &key.secret).await, (200, "olga".into()));
        assert_eq!(app.get("/optional", &key.secret).await, (200, "olga".into()));
        assert_eq!(app.get("/keys", &login).await, (200, r#"["ci"]"#.into()));
        let path = format!("/keys/{}", key.id);
        assert_eq!(app.send(Method::DELETE, &path, &login, None).await, (200, "true".into()));
        let (status, body) = app.get("/who", &key.secret).await;
        assert_eq!((status, &*code(&body)), (401, "token_not_valid"));
        assert_eq!(app.status("/optional", &key.secret).await, 401, "a bearer token that is refused");
        assert_eq!(app.send(Method::DELETE, &path, &login, None).await, (200, "false".into()));
        assert_eq!(app.get("/keys", &login).await, (200, "[]".into()));
        let (status, simple) = app.send(Method::POST, "/keys/simple", &login, None).await;
        assert_eq!((status, app.status("/who", &simple).await), (200, 200));
    });
}

/// K-1: neither the record nor the log has the key; the audit trail has ids and rights only.
#[test]
fn k_1_only_a_hash_is_kept() {
    let (secret, record, debug, log) = logged(async |log| {
        let app = Keyed::with(TestStore::new(), |builder| {
            builder.api_keys(ApiKeyConfig::default()).storage(StorageConfig::default().keep_events(100))
        });
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "geheim", "scopes": ["read"] })).await;
        app.status("/who", &key.secret).await;
        app.status("/who", &key.secret.replace(&key.secret[20..40], &key.secret[21..41])).await;
        let sessions = app.jwtauth.sessions().api_keys("olga").await.unwrap();
        let record = encode_session(b"key", &sessions[0]).unwrap();
        (key.secret, record, format!("{sessions:?}"), log.text())
    });
    let random = &secret["jwtauth_".len() + 22..secret.len() - 6];
    for part in [random, &random[..10], &random[23..]] {
        assert!(!record.windows(part.len()).any(|window| window == part.as_bytes()));
        assert!(!log.contains(part) && !debug.contains(part), "{log}");
    }
    assert!(!log.contains("geheim") && !debug.contains("geheim"), "{log}");
    assert!(log.contains("api_key_created"), "{log}");
}

/// K-2: a typo, an unknown key and a key of another application; and nothing costs a login.
#[test]
fn k_2_what_is_no_key_is_refused() {
    bounded(async {
        let app = Keyed::new();
        let login = app.login().await;
        let key = app.make(&login, json!({ "name": "ci" })).await.secret;
        let elsewhere = Keyed::new();
        let unknown = elsewhere.make(&elsewhere.login().await, json!({ "name": "ci" })).await.secret;
        let acme = Keyed::with(TestStore::new(), |builder| {
            builder.api_keys(ApiKeyConfig::default().prefix("acme_2"))
        });
        let other = acme.make(&acme.login().await, json!({ "name": "ci" })).await.secret;
        assert!(other.starts_with("acme_2_") && acme.status("/who", &other).await == 200);
        let typo = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
        let cut = &key[..key.len() - 1];
        for wrong in [&*typo, cut, &key.to_uppercase(), &format!("{key}0"), &unknown, &other, "jwtauth_"] {
            let (status, body) = app.get("/who", wrong).await;
            assert_eq!((status, &*code(&body)), (401, "token_not_valid"), "{wrong}");
        }
        // Where no keys are, a key is nothing.
        let without = Keyed::with(TestStore::new(), |builder| builder);
        assert_eq!(without.status("/who", &key).await, 401);
        let (status, body) = without.ask(&without.login().await, json!({ "name": "ci" })).await;
        assert_eq!((status, &body["code"]), (500, &json!("server_error")));
    });
}

/// K-2: a key is read from the header of tokens, and from nowhere else.
#[test]
fn k_2_a_key_is_no_cookie_and_stands_in_no_query_and_no_form() {
    bounded(async {
        let app = Keyed::new();
        let key = app.make(&app.login().await, json!({ "name": "ci" })).await.secret;
        assert_eq!(app.status("/who", &key).await, 200);
        for cookies in [
            Tokens { access: key.clone(), refresh: key.clone() }.cookies(),
            format!("__Host-access_token={key}"),
            format!("__Host-refresh_token={key}"),
        ] {
            let answer = app.client.get("/who").header("cookie", cookies).send().await;
            answer.assert_status(poem::http::StatusCode::UNAUTHORIZED);
        }
        for path in ["access_token", "token", "api_key", "key"].map(|name| format!("/who?{name}={key}")) {
            assert_eq!(app.client.get(path).send().await.0.status().as_u16(), 401);
        }
        let form = [("access_token", &key)];
        assert_eq!(app.client.post("/who").form(&form).send().await.0.status().as_u16(), 401);
        for header in ["x-api-key", "proxy-authorization"] {
            let answer = app.client.get("/who").header(header, format!("Bearer {key}")).send().await;
            answer.assert_status(poem::http::StatusCode::UNAUTHORIZED);
        }
        for scheme in ["Basic", "Token"] {
            let answer =
                app.client.get("/who").header("authorization", format!("{scheme} {key}")).send().await;
            answer.assert_status(poem::http::StatusCode::UNAUTHORIZED);
        }
    });
}
