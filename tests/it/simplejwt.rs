//! Tokens that djangorestframework-simplejwt writes, and ours where it is to read them.
//!
//! `django` is about the library itself; the others sign tokens of its form by hand, so that each rule has its token.

mod django;
mod ends;
mod exchange;
mod named;
mod remembered;
mod rules;
mod store;
mod verifier;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use jwtauth::store::SessionStore;
use jwtauth::{
    Compat, Identity, JwtAuthBuilder, LoginAttempt, LoginError, Session, SessionEnd, TokenConfig, TokenUser,
    require_auth,
};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::test::TestClient;
use poem::{EndpointExt, Response, Route, get, handler, post};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp, User};
use tests::test_store::TestStore;

#[require_auth]
async fn whoami(who: &Identity) -> String {
    who.subject().to_owned()
}

#[require_auth(fresh = "5m")]
async fn recent(who: &Identity) -> String {
    who.subject().to_owned()
}

#[require_auth]
async fn copy(user: User) -> String {
    user.name
}

#[handler]
async fn logout(auth: jwtauth::Auth) -> poem::Result<()> {
    Ok(auth.logout().await?)
}

#[handler]
async fn logout_all(auth: jwtauth::Auth) -> poem::Result<String> {
    Ok(auth.logout_all().await?.to_string())
}

#[handler]
async fn logout_others(auth: jwtauth::Auth) -> poem::Result<String> {
    Ok(auth.logout_others().await?.to_string())
}

#[require_auth]
async fn of_session(session: &Session) -> String {
    session.id.to_string()
}

#[require_auth]
async fn session_end(_end: SessionEnd) {}

#[handler]
async fn own_session(auth: jwtauth::Auth) -> poem::Result<String> {
    Ok(auth.session().await?.map_or_else(|| "nobody".into(), |session| session.subject))
}

/// What a token of Django's says of its user, and nobody but a service that asks for no session gets.
#[require_auth(role = "clerk", scope = "stock:read")]
async fn stock(user: TokenUser) -> String {
    format!("{} of {}", user.subject(), user.claims()["shop"])
}

#[handler]
async fn login(auth: jwtauth::Auth) -> poem::Result<()> {
    auth.login(&User::named("7")).await?;
    Ok(())
}

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    Ok(User::named(attempt.username()))
}

/// Switches it on, with Django's lifetimes, which are our defaults.
fn compatible(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.tokens(TokenConfig::default().compat(Compat::simplejwt()))
}

/// An app that takes tokens of both.
struct Site {
    app: TestApp,
    client: TestClient<BoxEndpoint<'static, Response>>,
}

impl Site {
    fn new() -> Self {
        Self::with(TestStore::new(), |builder| builder)
    }

    fn with(store: impl SessionStore, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        Self::of(TestApp::with(store, |builder| set(compatible(builder))))
    }

    fn of(app: TestApp) -> Self {
        let tokens = app.jwtauth.routes(authenticate).body_tokens().service("billing", SERVICE).unwrap();
        let route = Route::new()
            .nest("/auth", tokens)
            .at("/whoami", get(whoami))
            .at("/recent", get(recent))
            .at("/copy", get(copy))
            .at("/login", post(login))
            .at("/logout", post(logout))
            .at("/logout/all", post(logout_all))
            .at("/logout/others", post(logout_others))
            .at("/session", get(of_session))
            .at("/session/end", get(session_end))
            .at("/session/own", get(own_session))
            .at("/stock", get(stock));
        let client = TestClient::new(route.with(app.jwtauth.clone()).boxed());
        Self { app, client }
    }

    fn now(&self) -> u64 {
        jwtauth::clock::Clock::now(&self.app.clock)
    }

    /// Sends a request, and returns status, body and `Set-Cookie` lines.
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = self.client.request(method, path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.0;
        (answer.status().as_u16(), answer.into_body().into_string().await.unwrap())
    }

    async fn bearer(&self, method: Method, path: &str, token: &str) -> (u16, String) {
        self.send(method, path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// Asks who is calling with a bearer token.
    async fn who(&self, token: &str) -> (u16, String) {
        self.bearer(Method::GET, "/whoami", token).await
    }

    /// Posts a token in a body, and returns the status and the body.
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.client.post(path).body_json(&body).send().await.0;
        let status = answer.status().as_u16();
        let text = answer.into_body().into_string().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn refresh(&self, token: &str) -> (u16, Value) {
        self.post("/auth/refresh", json!({"refresh": token})).await
    }

    /// Logs in here, and returns both tokens.
    async fn obtain(&self, name: &str) -> (String, String) {
        let (status, pair) = self.post("/auth/obtain", json!({"username": name, "password": "right"})).await;
        assert_eq!(status, 200, "{pair}");
        (text(&pair["access"]), text(&pair["refresh"]))
    }

    /// Asks as another service about a token of any kind.
    async fn service(&self, path: &str, token: &str) -> (u16, Value) {
        self.asked(path, &format!("token={token}&token_type_hint=refresh_token")).await
    }

    /// Asks as another service, with this form.
    async fn asked(&self, path: &str, form: &str) -> (u16, Value) {
        use base64::engine::general_purpose::STANDARD;
        let basic = format!("Basic {}", STANDARD.encode(format!("billing:{SERVICE}")));
        let request = self.client.post(path).header(header::AUTHORIZATION, basic);
        let request = request.content_type("application/x-www-form-urlencoded");
        let answer = request.body(form.to_owned()).send().await.0;
        let status = answer.status().as_u16();
        let text = answer.into_body().into_string().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

const SERVICE: &str = "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uAq";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Signs any header and claims with the secret that both services have.
fn sign(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    let key = EncodingKey::from_secret(SECRET).unwrap();
    let signed = crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signed.unwrap())
}

/// The header as PyJWT writes it.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The claims of an access token, issued when the clock starts for 5 minutes.
fn access_claims(user: impl Into<Value>, jti: &str) -> Value {
    json!({
        "token_type": "access", "exp": START + 300, "iat": START, "jti": jti, "user_id": user.into(),
    })
}

/// The claims of a refresh token, issued when the clock starts for a day.
fn refresh_claims(user: impl Into<Value>, jti: &str) -> Value {
    json!({
        "token_type": "refresh", "exp": START + 86_400, "iat": START, "jti": jti, "user_id": user.into(),
    })
}

fn signed(claims: &Value) -> String {
    sign(HEADER, &claims.to_string())
}

/// An access token of Django's.
fn access(user: &str, jti: &str) -> String {
    signed(&access_claims(user, jti))
}

/// A refresh token of Django's.
fn refresh(user: &str, jti: &str) -> String {
    signed(&refresh_claims(user, jti))
}

/// Returns claims with one of them changed; `Value::Null` with the name "-x" removes x.
fn with(mut claims: Value, name: &str, value: Value) -> Value {
    match name.strip_prefix('-') {
        Some(name) => drop(claims.as_object_mut().unwrap().remove(name)),
        None => claims[name] = value,
    }
    claims
}
