//! Sliding tokens over HTTP: one token that lets its holder in and renews itself.

use std::time::Duration;

use futures_util::future::join_all;
use jwtauth::{
    Device, JwtAuthBuilder, LoginAttempt, LoginError, MemoryStore, SessionError, SledStore, TokenKind,
    require_auth,
};
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::test::TestClient;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, Route, get};
use serde_json::{Value, json};
use tests::app::{SECRET, START, TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::serve::serve;
use tests::tab::Tab;
use tests::wire::{ACCESS, REFRESH, claims, set_cookies};

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
    let auth = app.jwtauth.routes(authenticate).sliding_tokens().service("billing", SERVICE);
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
        assert_eq!(
            (status, body),
            (200, json!({"token": first, "expires_in": 300, "refresh_expires_in": 86_400}))
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

/// S77: the last second in which a token is renewed, and the first in which it is not.
#[test]
fn s_77_a_sliding_token_is_renewed_until_its_refresh_exp() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let (early, late) = (client.obtain("alice").await, client.obtain("bob").await);
        advance(&app, 86_399);
        let renewed = client.refresh(&early).await;
        assert_eq!(client.me(&renewed).await, good());
        advance(&app, 1);
        for path in ["refresh", "verify", "revoke", "expire"] {
            assert_eq!(client.post(path, "token", &late).await, refused("token_expired"), "{path}");
        }
        assert_eq!(client.me(&late).await, refused("token_expired"));
        assert_eq!(client.me(&renewed).await, good());
    });
}

/// Defect 25: a copy that was replaced lets in what was under way, and nothing after that.
#[test]
fn defect_25_an_old_copy_of_a_sliding_token_lets_nobody_in() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.me(&first).await, good(), "requests under way");
        advance(&app, 29);
        assert_eq!(client.me(&first).await, good());
        assert_eq!(client.post("verify", "token", &first).await, good());
        let third = client.refresh(&second).await;
        assert_eq!(client.me(&first).await, refused("token_not_valid"), "it is two behind");
        assert_eq!(client.me(&second).await, good());
        advance(&app, 30);
        for old in [&first, &second] {
            assert_eq!(client.me(old).await, refused("token_not_valid"));
            assert_eq!(client.post("verify", "token", old).await, refused("token_not_valid"));
            assert_eq!(client.introspect(old).await, json!({"active": false}));
        }
        // Who only asks has not tried to renew it: nothing is ended.
        assert_eq!(client.me(&third).await, good());
    });
}

/// S-3, S-4: a lost answer is repeated inside the grace window; later it is theft, and ends the session.
#[test]
fn s_3_s_4_a_spent_sliding_token_is_answered_again_and_later_ends_its_session() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let other = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        advance(&app, 29);
        assert_eq!(client.refresh(&first).await, second, "the same successor, to the byte");
        advance(&app, 1);
        assert_eq!(client.post("refresh", "token", &first).await, refused("token_not_valid"));
        for token in [&first, &second] {
            assert_eq!(client.me(token).await, refused("token_not_valid"));
            assert_eq!(client.post("refresh", "token", token).await, refused("token_not_valid"));
        }
        assert_eq!(client.me(&other).await, good(), "another session of the user");
    });
}

/// S-5: over real HTTP and in a real store, one of many refreshes wins and all have its token.
#[test]
fn s_5_of_parallel_refreshes_of_a_sliding_token_one_rotates() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let server = serve(endpoint(&app).map_to_response()).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = client(&app);
        for round in 0..10 {
            let first = client.obtain("alice").await;
            let body = json!({ "token": first }).to_string();
            let requests = (0..16).map(|_| {
                let request =
                    http.post(server.at("/auth/refresh")).header("content-type", "application/json");
                request.body(body.clone()).send()
            });
            let mut tokens = Vec::new();
            for answer in join_all(requests).await {
                let answer = answer.unwrap();
                assert_eq!(answer.status(), 200, "round {round}");
                let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
                tokens.push(body["token"].as_str().unwrap().to_owned());
            }
            tokens.dedup();
            assert_eq!(tokens.len(), 1, "round {round}: one successor");
            assert_eq!(claims(&tokens[0])["gen"], 1, "round {round}: one rotation");
            assert_eq!(client.me(&tokens[0]).await, good(), "round {round}");
        }
    });
}

/// Defect 24: what is revoked stays so when it is flushed away, at whatever time, and is refused all along.
#[test]
fn defect_24_a_sweep_brings_no_sliding_token_back() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), JwtAuthBuilder::token_registry);
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        let first = client.obtain("alice").await;
        // Renewed, so that it lives beyond the first `exp` and `refresh_exp`: then it is revoked.
        advance(&app, 80_000);
        let second = client.refresh(&first).await;
        assert_eq!(client.post("revoke", "token", &second).await, good());
        assert_eq!(client.post("revoke", "token", &second).await, refused("token_not_valid"));
        let mut code = "token_not_valid";
        for wait in [0, 300, 6_100, 79_999, 1, 86_400] {
            advance(&app, wait);
            sessions.sweep().await.unwrap();
            sessions.archive(u64::MAX).await.unwrap();
            if wait == 300 {
                code = "token_expired";
            }
            assert_eq!(client.me(&second).await, refused(code), "{wait}");
            let renewed = client.post("refresh", "token", &second).await;
            assert_eq!(renewed.0, 401, "{wait}: {}", renewed.1);
        }
        assert_eq!(sessions.tokens_of("alice").await.unwrap(), [], "all is gone by now");
    });
}

/// Defect 25, S-10: near the absolute limit of the session neither end is behind it, nor `exp` behind `refresh_exp`.
#[test]
fn defect_25_exp_is_never_behind_refresh_exp() {
    bounded(async {
        let ttl = Duration::from_secs;
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.access_ttl(ttl(300)).refresh_ttl(ttl(1_000)).absolute_ttl(ttl(1_500))
        });
        let client = client(&app);
        let mut token = client.obtain("alice").await;
        for (now, exp, refresh_exp) in
            [(900, 1_200, 1_500), (1_199, 1_499, 1_500), (1_200, 1_500, 1_500), (1_480, 1_500, 1_500)]
        {
            app.clock.set(START + now);
            let answer = client.send(Method::POST, "/auth/refresh", &[], json!({ "token": token })).await.2;
            token = answer["token"].as_str().unwrap().to_owned();
            let said = claims(&token);
            assert_eq!(
                (&said["exp"], &said["refresh_exp"]),
                (&json!(START + exp), &json!(START + refresh_exp)),
                "at {now}"
            );
            assert_eq!(
                (&answer["expires_in"], &answer["refresh_expires_in"]),
                (&json!(exp - now), &json!(refresh_exp - now))
            );
        }
        app.clock.set(START + 1_499);
        assert_eq!(client.me(&token).await, good());
        app.clock.set(START + 1_500);
        assert_eq!(client.me(&token).await, refused("token_expired"));
        assert_eq!(client.post("refresh", "token", &token).await, refused("token_expired"));
    });
}

/// J-10: three kinds, and each is refused where another is asked for.
#[test]
fn j_10_sliding_tokens_and_others_do_not_pass_for_each_other() {
    bounded(async {
        let app = TestApp::new();
        let (client, tab) = (client(&app), Tab::new(&app));
        let token = client.obtain("alice").await;
        let pair = tab.login("alice").await;
        // In cookies, in each place, alone and beside a genuine one.
        for cookies in [
            format!("{ACCESS}={token}"),
            format!("{REFRESH}={token}"),
            format!("{ACCESS}={token}; {REFRESH}={token}"),
            format!("{ACCESS}={token}; {REFRESH}={}", pair.refresh),
        ] {
            let answer = tab.get("/me", &cookies).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "token_not_valid")
            );
        }
        assert_eq!(tab.post("/refresh", &format!("{REFRESH}={token}")).await.status, 401);
        // In the routes of tokens in bodies.
        let auth = app.jwtauth.routes(authenticate).body_tokens();
        let bodies = Client(TestClient::new(Route::new().nest("/auth", auth).with(app.jwtauth.clone())));
        for path in ["refresh", "revoke"] {
            assert_eq!(bodies.post(path, "refresh", &token).await, refused("token_not_valid"), "{path}");
        }
        // And the others in the routes of sliding tokens.
        for path in ["refresh", "revoke"] {
            for other in [&pair.access, &pair.refresh, "x", "a.b.c", "é"] {
                assert_eq!(client.post(path, "token", other).await, refused("token_not_valid"), "{path}");
            }
            let (status, _, body) = client
                .send(Method::POST, &format!("/auth/{path}"), &[], json!({ "refresh": pair.refresh }))
                .await;
            assert_eq!((status, &body["token"]), (400, &json!(["This field is required."])), "{path}");
        }
        // Nothing was ended by all this.
        assert_eq!(client.me(&token).await, good());
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        // What takes any kind takes all three.
        for any in [&token, &pair.access, &pair.refresh] {
            assert_eq!(client.post("verify", "token", any).await, good());
        }
        // J-5: each character of the signature counts, whether the token was seen before or not.
        let (message, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{message}.{}", "A".repeat(signature.len()));
        for forged in [forged, token[..token.len() - 4].to_owned()] {
            assert_eq!(client.me(&forged).await, refused("token_not_valid"));
            assert_eq!(client.post("refresh", "token", &forged).await, refused("token_not_valid"));
        }
    });
}

/// S-8, S-9, S-14: it is ended by every way there is, at once.
#[test]
fn s_8_s_14_a_sliding_token_is_ended_by_every_way_there_is() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        for way in
            ["revoke", "expire", "expire when expired", "tree", "oauth", "logout", "logout_all", "sessions"]
        {
            let token = client.obtain("alice").await;
            let said = client.introspect(&token).await;
            assert_eq!(
                (&said["active"], &said["sub"], &said["token_type"], &said["exp"]),
                (&json!(true), &json!("alice"), &json!("Bearer"), &claims(&token)["exp"]),
                "{way}"
            );
            let bearer = format!("Bearer {token}");
            let bearer = [("authorization", bearer.as_str())];
            if way == "expire when expired" {
                advance(&app, 300);
                assert_eq!(client.introspect(&token).await, json!({"active": false}));
            }
            let body = json!({ "token": token });
            let status = match way {
                "revoke" => client.post("revoke", "token", &token).await.0,
                "expire" | "expire when expired" => client.post("expire", "token", &token).await.0,
                "tree" => {
                    let body = json!({ "token": token, "affect_tree": true });
                    client.send(Method::POST, "/auth/expire", &[], body).await.0
                }
                "oauth" => {
                    use base64::Engine as _;
                    let pair = base64::engine::general_purpose::STANDARD.encode(format!("billing:{SERVICE}"));
                    let basic = format!("Basic {pair}");
                    let basic = [("authorization", basic.as_str())];
                    client.send(Method::POST, "/auth/oauth/revoke", &basic, body).await.0
                }
                "sessions" => {
                    let path = format!("/auth/sessions/{}", claims(&token)["sid"].as_str().unwrap());
                    client.send(Method::DELETE, &path, &bearer, Value::Null).await.0
                }
                way => client.send(Method::POST, &format!("/auth/{way}"), &bearer, Value::Null).await.0,
            };
            assert!(status == 200 || status == 204, "{way}: {status}");
            assert_eq!(client.me(&token).await.0, 401, "{way}");
            assert_eq!(client.post("refresh", "token", &token).await, refused("token_not_valid"), "{way}");
            assert_eq!(client.post("expire", "token", &token).await.0, 401, "{way}: it is no longer good");
            assert_eq!(client.introspect(&token).await, json!({"active": false}), "{way}");
            assert_eq!(sessions.of("alice").await.unwrap(), [], "{way}: nothing of its session is left");
        }
    });
}

/// The copy before the newest can be ended alone, while it is good; the newest goes on.
#[test]
fn an_old_copy_of_a_sliding_token_ends_alone() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.post("expire", "token", &first).await, good());
        assert_eq!(client.post("expire", "token", &first).await, refused("token_not_valid"));
        assert_eq!(client.me(&first).await, refused("token_not_valid"));
        assert_eq!(client.post("refresh", "token", &first).await, refused("token_not_valid"));
        assert_eq!(client.me(&second).await, good());
        assert_eq!(client.me(&client.refresh(&second).await).await, good());
    });
}

/// W15: with `expire_on_refresh` there are no requests under way; the client is told to ask for the newest.
#[test]
fn w_15_a_refresh_ends_the_sliding_token_before_it() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), JwtAuthBuilder::expire_on_refresh);
        let client = client(&app);
        let first = client.obtain("alice").await;
        let second = client.refresh(&first).await;
        assert_eq!(client.me(&first).await, refused("token_expired"));
        assert_eq!(client.post("verify", "token", &first).await, refused("token_expired"));
        assert_eq!(client.refresh(&first).await, second);
        assert_eq!(client.me(&second).await, good());
        // Later it must not be asked with: that would be theft.
        advance(&app, 30);
        assert_eq!(client.me(&first).await, refused("token_not_valid"));
    });
}

/// W7: one record for each token, of its own kind, good until it cannot be renewed.
#[test]
fn w_7_sliding_tokens_are_recorded_as_what_they_are() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), JwtAuthBuilder::token_registry);
        let client = client(&app);
        let sessions = app.jwtauth.sessions();
        let first = client.obtain("alice").await;
        advance(&app, 100);
        let second = client.refresh(&first).await;
        let said = [claims(&first), claims(&second)];
        let records = sessions.tokens_of("alice").await.unwrap();
        let found: Vec<_> = records
            .iter()
            .map(|it| (it.id.to_string(), it.kind, it.issued_at, it.expires_at, it.ended_at))
            .collect();
        let expected = |claims: &Value, ended_at| {
            let number = |name: &str| claims[name].as_u64().unwrap();
            let id = claims["jti"].as_str().unwrap().to_owned();
            (id, TokenKind::Sliding, number("iat"), number("refresh_exp"), ended_at)
        };
        assert_eq!(found, [expected(&said[0], Some(START + 100)), expected(&said[1], None)]);
        assert_eq!((records[0].parent, records[1].parent), (None, Some(records[0].id)));
        assert_eq!(serde_json::to_value(records[0]).unwrap()["kind"], "sliding");
        // A tree that is ended but for its newest token stays as it is; without that it ends with its session.
        let session = records[0].session;
        assert_eq!(sessions.expire_tree(session, &[records[1].id]).await.unwrap(), 0);
        assert_eq!(client.me(&second).await, good());
        assert_eq!(sessions.expire_tree(session, &[]).await.unwrap(), 1);
        assert_eq!(client.me(&second).await, refused("token_not_valid"));
    });
}

/// The same without routes, and what is shown of a token in a log.
#[test]
fn a_sliding_token_from_anywhere_in_a_program() {
    bounded(async {
        let app = TestApp::new();
        let (sessions, client) = (app.jwtauth.sessions(), client(&app));
        let first = sessions.open_sliding(&User::named("alice"), Device::default()).await.unwrap();
        assert_eq!((first.expires_in, first.refresh_expires_in), (300, 86_400));
        assert!(first.session.is_sliding());
        assert_eq!(client.me(first.as_str()).await, good());
        let second = sessions.renew_sliding(first.as_str(), &Device::default()).await.unwrap();
        assert_eq!((second.session.id, second.session.generation), (first.session.id, 1));
        assert!(!format!("{second:?}").contains(second.as_str()), "{second:?}");
        assert!(!format!("{second:?}").contains(claims(second.as_str())["jti"].as_str().unwrap()));
        let pair = sessions.open(&User::named("alice"), Device::default()).await.unwrap();
        assert!(!pair.session.is_sliding());
        for other in [pair.access(), pair.refresh()] {
            let refused = sessions.renew_sliding(other, &Device::default()).await;
            assert!(matches!(refused, Err(SessionError::Token(_))));
        }
        assert!(matches!(
            sessions.renew(second.as_str(), &Device::default()).await,
            Err(SessionError::Token(_))
        ));
        // R-10: the secret before goes on, and another one does not.
        let next = b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg";
        let store = Faulty::default();
        let open = |builder: JwtAuthBuilder| TestApp::with(store.clone(), move |_| builder.secret(next));
        let before = TestApp::with(store.clone(), |builder| builder);
        let token =
            before.jwtauth.sessions().open_sliding(&User::named("bob"), Device::default()).await.unwrap();
        for (builder, wanted) in [
            (jwtauth::JwtAuth::builder().old_secret(SECRET), good()),
            (jwtauth::JwtAuth::builder(), refused("token_not_valid")),
        ] {
            let after = open(builder.clock(before.clock.clone()));
            assert_eq!(self::client(&after).me(token.as_str()).await, wanted);
        }
    });
}

/// The user's own limits and states count for these sessions too.
#[test]
fn s_12_sliding_sessions_count_and_follow_their_user() {
    bounded(async {
        let app = TestApp::with(MemoryStore::new(), |builder| builder.max_sessions(1));
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
        let refused = sessions.open_sliding(&user, Device::default()).await;
        assert!(matches!(refused, Err(SessionError::TokenTooLarge { .. })));
        assert_eq!(client.me(&renewed).await, good());
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
