//! Sliding tokens over HTTP: one token that lets its holder in and renews itself.

mod ends;
mod kinds;
mod renewal;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use jwtauth::error::{BoxError, SessionError};
use jwtauth::{Device, JwtAuthBuilder, LoginAttempt, LoginError, require_auth};
use poem::http::{HeaderMap, Method, header};
use poem::test::TestClient;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, Route, get};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::test_store::TestStore;
use tests::wire::{claims, set_cookies};

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    match attempt.password() {
        "wrong" => Err(LoginError::InvalidCredentials),
        _ => Ok(User::named(attempt.username())),
    }
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

const SERVICE: &str = "m0c4l9dS1kQ7vXyZ2bN5hJ8tR3wE6uA-";

fn endpoint(app: &TestApp) -> impl Endpoint + use<> {
    let auth = app.jwtauth.routes(authenticate).sliding_tokens().service("billing", SERVICE).unwrap();
    Route::new().at("/me", get(me)).nest("/auth", auth).with(app.jwtauth.clone())
}

/// A client that was given a token, on an app whose clock stands still.
struct Client<E>(TestClient<E>);

fn client(app: &TestApp) -> Client<impl Endpoint + use<>> {
    Client(TestClient::new(endpoint(app)))
}

impl<E: Endpoint> Client<E> {
    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, HeaderMap, Value) {
        let mut request = self.0.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.body_json(&body);
        }
        let mut response = request.send().await.0;
        let text = response.take_body().into_string().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        (response.status().as_u16(), response.headers().clone(), body)
    }

    /// Posts a token and returns the status, and the `code` of a refusal.
    async fn post(&self, path: &str, field: &str, token: &str) -> (u16, String) {
        let (status, _, body) =
            self.send(Method::POST, &format!("/auth/{path}"), &[], json!({ field: token })).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn obtain(&self, name: &str) -> String {
        let body = json!({"username": name, "password": "right"});
        let (status, _, body) = self.send(Method::POST, "/auth/obtain", &[], body).await;
        assert_eq!(status, 200, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    async fn refresh(&self, token: &str) -> String {
        let (status, _, body) =
            self.send(Method::POST, "/auth/refresh", &[], json!({ "token": token })).await;
        assert_eq!(status, 200, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    /// Asks the guarded handler, and returns the status and the `code` of a refusal.
    async fn me(&self, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let (status, _, body) =
            self.send(Method::GET, "/me", &[("authorization", &bearer)], Value::Null).await;
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn introspect(&self, token: &str) -> Value {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("billing:{SERVICE}"));
        let basic = format!("Basic {pair}");
        let headers = [("authorization", basic.as_str())];
        self.send(Method::POST, "/auth/oauth/introspect", &headers, json!({ "token": token })).await.2
    }
}

fn good() -> (u16, String) {
    (200, String::new())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

fn advance(app: &TestApp, seconds: u64) {
    app.clock.advance(Duration::from_secs(seconds));
}

/// S22, S63, S76, S78, S96: the whole flow against a guarded handler, past `exp` and on to the next token.
#[test]
fn s_63_s_78_s_96_a_sliding_token_lets_in_and_renews_itself() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let login = json!({"username": "alice", "password": "right"});
        let (status, headers, body) = client.send(Method::POST, "/auth/obtain", &[], login).await;
        let first = body["token"].as_str().unwrap().to_owned();
        let user = json!({"id": "alice", "roles": ["admin"], "scopes": []});
        assert_eq!(
            (status, body),
            (200, json!({"token": first, "expires_in": 300, "refresh_expires_in": 86_400, "user": user}))
        );
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(set_cookies(&headers), Vec::<String>::new());
        let said = claims(&first);
        // J-25: these and no others.
        let names: Vec<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "aud",
                "auth_time",
                "client_id",
                "exp",
                "gen",
                "iat",
                "iss",
                "jti",
                "refresh_exp",
                "roles",
                "sid",
                "sub",
                "token_type"
            ]
        );
        assert_eq!(
            (&said["token_type"], &said["sub"], &said["roles"]),
            (&json!("sliding"), &json!("alice"), &json!(["admin"]))
        );
        assert_eq!((&said["exp"], &said["refresh_exp"]), (&json!(START + 300), &json!(START + 86_400)));
        let bearer = format!("Bearer {first}");
        let (status, _, user) =
            client.send(Method::GET, "/me", &[("authorization", &bearer)], Value::Null).await;
        assert_eq!((status, &user["name"]), (200, &json!("alice")));
        assert_eq!(client.post("verify", "token", &first).await, good());
        // The last second it lets in, and the first it does not.
        advance(&app, 299);
        assert_eq!(client.me(&first).await, good());
        advance(&app, 1);
        assert_eq!(client.me(&first).await, refused("token_expired"));
        assert_eq!(client.post("verify", "token", &first).await, refused("token_expired"));
        // Defect 25: `refresh_exp` governs, so it is renewed all the same.
        let second = client.refresh(&first).await;
        assert_eq!(client.me(&second).await, good());
        let next = claims(&second);
        assert_eq!(
            (&next["exp"], &next["refresh_exp"]),
            (&json!(START + 600), &json!(START + 300 + 86_400)),
            "both move on"
        );
        assert_eq!((&next["sid"], &next["gen"]), (&said["sid"], &json!(1)));
        assert_ne!(next["jti"], said["jti"]);
        // A logout, by the token itself, also when it is expired.
        advance(&app, 300);
        let bearer = format!("Bearer {second}");
        let logout =
            client.send(Method::POST, "/auth/logout", &[("authorization", &bearer)], Value::Null).await;
        assert_eq!(logout.0, 204);
        assert_eq!(client.post("refresh", "token", &second).await, refused("token_not_valid"));
    });
}

/// The same without routes, and what is shown of a token in a log.
#[test]
fn a_sliding_token_from_anywhere_in_a_program() {
    bounded(async {
        let app = TestApp::new();
        let (sessions, client) = (app.jwtauth.sessions(), client(&app));
        let first = sessions.login_sliding(&User::named("alice"), Device::default()).await.unwrap();
        assert_eq!((first.expires_in, first.refresh_expires_in), (300, 86_400));
        assert!(first.session.is_sliding());
        assert_eq!(client.me(first.access()).await, good());
        let second = sessions.refresh_sliding(first.access(), &Device::default()).await.unwrap();
        assert_eq!((second.session.id, second.session.generation), (first.session.id, 1));
        assert!(!format!("{second:?}").contains(second.access()), "{second:?}");
        assert!(!format!("{second:?}").contains(claims(second.access())["jti"].as_str().unwrap()));
        let pair = sessions.login(&User::named("alice"), Device::default()).await.unwrap();
        assert!(!pair.session.is_sliding());
        for other in [pair.access(), pair.refresh().unwrap()] {
            let refused = sessions.refresh_sliding(other, &Device::default()).await;
            assert!(matches!(refused, Err(SessionError::Token(_))));
        }
        assert!(matches!(
            sessions.refresh(second.access(), &Device::default()).await,
            Err(SessionError::Token(_))
        ));
        // R-10: the secret before goes on, and another one does not.
        let next = b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg";
        let store = Faulty::default();
        let open = |builder: JwtAuthBuilder| TestApp::with(store.clone(), move |_| builder.secret(next));
        let before = TestApp::with(store.clone(), |builder| builder);
        let token =
            before.jwtauth.sessions().login_sliding(&User::named("bob"), Device::default()).await.unwrap();
        for (builder, wanted) in [
            (jwtauth::JwtAuth::builder().keys(jwtauth::KeyConfig::default().old_secret(SECRET)), good()),
            (jwtauth::JwtAuth::builder(), refused("token_not_valid")),
        ] {
            let after = open(builder.clock(before.clock.clone()));
            assert_eq!(self::client(&after).me(token.access()).await, wanted);
        }
    });
}

/// The user's own limits and states count for these sessions too.
#[test]
fn s_12_sliding_sessions_count_and_follow_their_user() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| builder.max_sessions(1));
        let (sessions, client) = (app.jwtauth.sessions(), client(&app));
        let first = client.obtain("alice").await;
        advance(&app, 1);
        let second = client.obtain("alice").await;
        assert_eq!(client.me(&first).await, refused("token_not_valid"), "crowded out");
        let mut user = User::named("alice");
        user.roles = vec!["editor".into()];
        sessions.update_user(&user).await.unwrap();
        let renewed = client.refresh(&second).await;
        assert_eq!(claims(&renewed)["roles"], json!(["editor"]));
        // Too large to be read back: refused at the login, and nobody is logged in.
        user.roles = vec!["r".repeat(4_000)];
        let refused = sessions.login_sliding(&user, Device::default()).await;
        assert!(matches!(refused, Err(SessionError::TokenTooLarge { .. })));
        assert_eq!(client.me(&renewed).await, good());
    });
}

/// S23: an access token's claims of the application's own are in it too, as new as it is; asked for before anything
/// is spent.
#[test]
fn s_23_a_sliding_token_has_the_applications_own_claims() {
    bounded(async {
        let (asked, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (ask, long) = (Arc::clone(&asked), Arc::clone(&answer));
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.refresh_grace(Duration::ZERO).access_claims(move |_| {
                let (asked, long) = (ask.fetch_add(1, SeqCst) + 1, long.load(SeqCst));
                let fails = asked == 2;
                async move {
                    if fails {
                        return Err(BoxError::from("closed"));
                    }
                    Ok(json!({ "asked": asked, "long": "x".repeat(long) }))
                }
            })
        });
        let (sessions, client) = (app.jwtauth.sessions(), client(&app));
        let first = client.obtain("alice").await;
        assert_eq!(claims(&first)["asked"], 1);
        assert_eq!(client.post("refresh", "token", &first).await, (503, "store_unavailable".into()));
        let second = client.refresh(&first).await;
        assert_eq!(claims(&second)["asked"], 3, "it was not spent");
        assert_eq!(client.me(&second).await, good());
        // Whatever `update_user` lets pass can be renewed, though a sliding token says more than an access token.
        let user = User::named("alice");
        let mut most = 3_000;
        loop {
            answer.store(most, SeqCst);
            match sessions.update_user(&user).await {
                Ok(updated) => break assert_eq!(updated, 1),
                Err(SessionError::TokenTooLarge { .. }) => most -= 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(most > 2_000, "{most}");
        let refused = sessions.login_sliding(&user, Device::default()).await;
        assert!(
            matches!(refused, Err(SessionError::TokenTooLarge { .. })),
            "at a login the limit is that of a cookie"
        );
        let third = client.refresh(&second).await;
        assert_eq!(client.me(&third).await, good());
    });
}

#[test]
fn r_5_an_outage_is_503_for_sliding_tokens_too() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app);
        let token = client.obtain("alice").await;
        let (reads, changes) = (Fault::Error, Fault::Error);
        store.set(reads, changes);
        let unavailable = (503, "store_unavailable".to_owned());
        for path in ["refresh", "verify", "revoke", "expire"] {
            assert_eq!(client.post(path, "token", &token).await, unavailable, "{path}");
        }
        assert_eq!(client.me(&token).await, unavailable);
        let login = json!({"username": "bob", "password": "right"});
        assert_eq!(client.send(Method::POST, "/auth/obtain", &[], login).await.0, 503);
        // A refresh whose answer was lost after it was made: asked again, it is answered.
        store.set(Fault::None, Fault::ErrorButDone);
        assert_eq!(client.post("refresh", "token", &token).await, unavailable);
        store.set(Fault::None, Fault::None);
        assert_eq!(claims(&client.refresh(&token).await)["gen"], 1);
    });
}

/// S59, H-9: a wrong password, and methods that change nothing.
#[test]
fn s_59_h_9_sliding_routes_refuse_like_the_others() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let wrong = json!({"username": "alice", "password": "wrong"});
        let (status, _, body) = client.send(Method::POST, "/auth/obtain", &[], wrong).await;
        assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")));
        for path in ["obtain", "refresh", "verify", "revoke", "expire"] {
            let path = format!("/auth/{path}");
            assert_eq!(client.send(Method::GET, &path, &[], Value::Null).await.0, 405, "{path}");
            assert_eq!(client.send(Method::POST, &path, &[], json!({})).await.0, 400, "{path}");
        }
    });
}
