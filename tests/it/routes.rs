//! The ready-made routes, with tokens in cookies and in bodies.

mod forms;
mod logouts;
mod paths;
mod replaced;
mod standing;

use std::time::Duration;

use jwtauth::{Device, LoginAttempt, LoginError, Rejection, require_auth};
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::test::TestClient;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};
use serde_json::{Value, json};
use tests::app::{TestApp, User};
use tests::bounded;
use tests::faulty::{Fault, Faulty};
use tests::log::logged;
use tests::wire::{Tokens, set_cookies};

async fn authenticate(attempt: LoginAttempt) -> Result<User, LoginError> {
    match attempt.password() {
        "wrong" => Err(LoginError::InvalidCredentials),
        "often" => Err(LoginError::RateLimited { retry_after: Duration::from_millis(1_500) }),
        "outage" => Err(LoginError::Unavailable("no route to db.internal".into())),
        "code" if attempt.field("otp") != Some(&"123456".into()) => Err(LoginError::InvalidCredentials),
        _ => Ok(User::named(attempt.username())),
    }
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

fn cookie_app(app: &TestApp) -> TestClient<impl Endpoint + use<>> {
    let routes = Route::new().at("/me", get(me)).nest("/auth", app.jwtauth.routes(authenticate));
    TestClient::new(routes.with(app.jwtauth.clone()))
}

fn body_app(app: &TestApp) -> TestClient<impl Endpoint + use<>> {
    let auth = app.jwtauth.routes(authenticate).body_tokens();
    TestClient::new(Route::new().at("/me", get(me)).nest("/auth", auth).with(app.jwtauth.clone()))
}

/// Sends a request and returns status, headers and body, which is JSON or empty.
async fn ask<E: Endpoint>(
    client: &TestClient<E>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Value,
) -> (u16, HeaderMap, Value) {
    let mut request = client.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.body_json(&body);
    }
    parts(request.send().await.0).await
}

async fn parts(mut response: Response) -> (u16, HeaderMap, Value) {
    let text = response.take_body().into_string().await.unwrap();
    // poem's own 404 and 405 are text.
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { text.into() });
    (response.status().as_u16(), response.headers().clone(), body)
}

async fn post<E: Endpoint>(client: &TestClient<E>, path: &str, body: Value) -> (u16, HeaderMap, Value) {
    ask(client, Method::POST, path, &[], body).await
}

fn credentials(name: &str) -> Value {
    json!({"username": name, "password": "right"})
}

#[test]
fn a_login_with_cookies_says_how_long_it_is_good_and_shows_no_token() {
    bounded(async {
        let app = TestApp::new();
        let client = cookie_app(&app);
        let (status, headers, body) = post(&client, "/auth/obtain", credentials("bob")).await;
        let user = json!({"id": "bob", "roles": [], "scopes": []});
        let shown = json!({"expires_in": 300, "refresh_expires_in": 86_400, "user": user});
        assert_eq!((status, body), (200, shown));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(set_cookies(&headers).len(), 2);
        let tokens = Tokens::of(&headers);
        let cookies = [("cookie", tokens.cookies())];
        let cookies = [(cookies[0].0, cookies[0].1.as_str())];
        let (status, _, body) = ask(&client, Method::GET, "/me", &cookies, Value::Null).await;
        assert_eq!((status, &body["name"]), (200, &json!("bob")));
        // M-21: what a page asks when it is opened.
        let (status, headers, body) = ask(&client, Method::GET, "/auth/me", &cookies, Value::Null).await;
        assert_eq!(
            (status, body, &headers[header::CACHE_CONTROL]),
            (200, user, &"no-store".parse().unwrap())
        );
        assert_eq!(ask(&client, Method::GET, "/auth/me", &[], Value::Null).await.0, 401);
        // A refresh, with the cookie and no body.
        let (status, headers, body) =
            ask(&client, Method::POST, "/auth/refresh", &cookies, Value::Null).await;
        assert_eq!((status, &body["expires_in"]), (200, &json!(300)));
        let renewed = Tokens::of(&headers);
        assert_ne!(renewed.refresh, tokens.refresh);
        // S-8: a logout ends it, in all its tokens, and deletes the cookies.
        let cookies = renewed.cookies();
        let cookies = [("cookie", cookies.as_str())];
        let (status, headers, body) = ask(&client, Method::POST, "/auth/logout", &cookies, Value::Null).await;
        assert_eq!((status, body), (204, Value::Null));
        assert_eq!(set_cookies(&headers).len(), 2);
        let (status, ..) = ask(&client, Method::GET, "/me", &cookies, Value::Null).await;
        assert_eq!(status, 401);
    });
}

#[test]
fn s_1_s_62_tokens_in_bodies_serve_as_bearer_and_renew_themselves() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let (status, headers, first) = post(&client, "/auth/obtain", credentials("bob")).await;
        assert_eq!(status, 200);
        assert_eq!(set_cookies(&headers), Vec::<String>::new());
        assert_eq!((&first["expires_in"], &first["refresh_expires_in"]), (&json!(300), &json!(86_400)));
        let bearer = format!("Bearer {}", first["access"].as_str().unwrap());
        let (status, _, body) =
            ask(&client, Method::GET, "/me", &[("authorization", &bearer)], Value::Null).await;
        assert_eq!((status, &body["name"]), (200, &json!("bob")));
        for kind in ["access", "refresh"] {
            let verified = post(&client, "/auth/verify", json!({"token": first[kind]})).await;
            assert_eq!((verified.0, verified.2), (200, json!({})), "{kind}");
        }
        app.clock.advance(Duration::from_secs(100));
        let (status, headers, second) =
            post(&client, "/auth/refresh", json!({"refresh": first["refresh"]})).await;
        assert_eq!(status, 200);
        assert_eq!(set_cookies(&headers), Vec::<String>::new());
        assert_ne!(second["refresh"], first["refresh"]);
        // S-4: a lost answer. The same successor comes again.
        let (_, _, again) = post(&client, "/auth/refresh", json!({"refresh": first["refresh"]})).await;
        assert_eq!(again["refresh"], second["refresh"]);
        // S-3: later it is reuse, and ends the session.
        let used = post(&client, "/auth/verify", json!({"token": second["refresh"]})).await;
        assert_eq!(used.0, 200);
        app.clock.advance(Duration::from_secs(31));
        let (status, _, refused) = post(&client, "/auth/refresh", json!({"refresh": first["refresh"]})).await;
        assert_eq!((status, &refused["code"]), (401, &json!("token_not_valid")));
        for token in [&second["access"], &second["refresh"]] {
            let (status, ..) = post(&client, "/auth/verify", json!({"token": token})).await;
            assert_eq!(status, 401);
        }
    });
}

/// simplejwt's blacklist: the second time it is refused, and so is everything of that session.
#[test]
fn a_revoked_refresh_token_ends_its_session() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let (.., tokens) = post(&client, "/auth/obtain", credentials("bob")).await;
        let (.., other) = post(&client, "/auth/obtain", credentials("bob")).await;
        let (status, _, body) = post(&client, "/auth/revoke", json!({"refresh": tokens["refresh"]})).await;
        assert_eq!((status, body), (200, json!({})));
        for (path, field) in [("revoke", "refresh"), ("refresh", "refresh"), ("verify", "token")] {
            let (status, _, body) =
                post(&client, &format!("/auth/{path}"), json!({ field: tokens["refresh"] })).await;
            assert_eq!((status, &body["code"]), (401, &json!("token_not_valid")), "{path}");
        }
        let (status, ..) = post(&client, "/auth/verify", json!({"token": tokens["access"]})).await;
        assert_eq!(status, 401);
        let (status, ..) = post(&client, "/auth/verify", json!({"token": other["access"]})).await;
        assert_eq!(status, 200, "another login of the same user goes on");
    });
}

/// W14: a token alone, then everything of its session; what is not good any more cannot be ended again.
#[test]
fn w_14_expire_ends_one_token_or_the_whole_tree() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let (.., tokens) = post(&client, "/auth/obtain", credentials("bob")).await;
        let expire = async |body: Value| {
            let (status, _, body) = post(&client, "/auth/expire", body).await;
            (status, body["code"].clone())
        };
        assert_eq!(expire(json!({"token": tokens["access"]})).await, (200, Value::Null));
        assert_eq!(expire(json!({"token": tokens["access"]})).await, (401, json!("token_not_valid")));
        assert_eq!(post(&client, "/auth/verify", json!({"token": tokens["refresh"]})).await.0, 200);
        assert_eq!(expire(json!({"token": tokens["refresh"], "affect_tree": "maybe"})).await.0, 400);
        assert_eq!(
            expire(json!({"token": tokens["refresh"], "affect_tree": true})).await,
            (200, Value::Null)
        );
        assert_eq!(expire(json!({"token": tokens["refresh"], "affect_tree": true})).await.0, 401);
        assert_eq!(post(&client, "/auth/verify", json!({"token": tokens["refresh"]})).await.0, 401);
        assert_eq!(expire(json!({"token": "garbage"})).await, (401, json!("token_not_valid")));
    });
}

#[test]
fn each_kind_of_token_is_refused_where_the_other_is_asked_for() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let (.., tokens) = post(&client, "/auth/obtain", credentials("bob")).await;
        let refused = async |path: &str, token: &Value| {
            let field = if path == "/auth/verify" { "token" } else { "refresh" };
            let (status, _, body) = post(&client, path, json!({ field: token })).await;
            assert_eq!(status, 401, "{path} {token}");
            body["code"].as_str().unwrap().to_owned()
        };
        for garbage in ["x", "a.b.c", "é"] {
            assert_eq!(refused("/auth/verify", &json!(garbage)).await, "token_not_valid");
        }
        for path in ["/auth/refresh", "/auth/revoke"] {
            for token in [&tokens["access"], &json!("x"), &json!("a.b.c"), &json!("é")] {
                assert_eq!(refused(path, token).await, "token_not_valid", "{path} {token}");
            }
        }
        let bearer = format!("Bearer {}", tokens["refresh"].as_str().unwrap());
        let (status, ..) = ask(&client, Method::GET, "/me", &[("authorization", &bearer)], Value::Null).await;
        assert_eq!(status, 401);
        // Both are over by their time: S70, S79, S81.
        app.clock.advance(Duration::from_secs(24 * 60 * 60));
        for path in ["/auth/refresh", "/auth/revoke", "/auth/verify"] {
            assert_eq!(refused(path, &tokens["refresh"]).await, "token_expired", "{path}");
        }
        assert_eq!(refused("/auth/verify", &tokens["access"]).await, "token_expired");
    });
}

#[test]
fn refused_logins_say_which_of_four_things_is_wrong() {
    logged(async |log| {
        let app = TestApp::new();
        for client in [cookie_app(&app)] {
            let attempt = |password: &str| json!({"username": "bob", "password": password});
            let (status, headers, body) = post(&client, "/auth/obtain", attempt("wrong")).await;
            assert_eq!((status, &body["code"]), (401, &json!("invalid_credentials")));
            assert_eq!(body["detail"], "No active account was found with the given credentials");
            assert_eq!(set_cookies(&headers), Vec::<String>::new());
            let (status, headers, body) = post(&client, "/auth/obtain", attempt("often")).await;
            assert_eq!((status, &body["code"]), (429, &json!("rate_limited")));
            assert_eq!(headers[header::RETRY_AFTER], "2", "1.5 seconds, rounded up");
            let (status, _, body) = post(&client, "/auth/obtain", attempt("outage")).await;
            assert_eq!((status, &body["code"]), (503, &json!("store_unavailable")));
            assert!(!body.to_string().contains("db.internal"));
            assert!(log.text().contains("no route to db.internal"));
            // A field of the application's own.
            let mut attempt = attempt("code");
            assert_eq!(post(&client, "/auth/obtain", attempt.clone()).await.0, 401);
            attempt["otp"] = "123456".into();
            assert_eq!(post(&client, "/auth/obtain", attempt).await.0, 200);
        }
        for secret in ["123456", "often"] {
            assert!(!log.text().contains(secret), "{}", log.text());
        }
    });
}

/// S-9: sessions of one user are listed and ended, by that user only.
#[test]
fn s_9_sessions_are_listed_and_ended_by_their_owner() {
    bounded(async {
        let app = TestApp::new();
        let client = body_app(&app);
        let mut bearers = Vec::new();
        for name in ["bob", "bob", "bob", "carl"] {
            app.clock.advance(Duration::from_secs(1));
            let (.., tokens) = post(&client, "/auth/obtain", credentials(name)).await;
            bearers.push(format!("Bearer {}", tokens["access"].as_str().unwrap()));
        }
        let sessions = async |bearer: &str| {
            let (status, _, body) =
                ask(&client, Method::GET, "/auth/sessions", &[("authorization", bearer)], Value::Null).await;
            (status, body)
        };
        let (status, list) = sessions(&bearers[0]).await;
        let list = list.as_array().unwrap().clone();
        assert_eq!((status, list.len()), (200, 3));
        let current: Vec<_> = list.iter().map(|session| session["current"].as_bool().unwrap()).collect();
        assert_eq!(current, [false, false, true], "the newest first");
        assert!(list[0]["created_at"].as_u64() > list[1]["created_at"].as_u64());
        let delete = async |path: String, bearer: &str| {
            let (status, _, body) =
                ask(&client, Method::DELETE, &path, &[("authorization", bearer)], Value::Null).await;
            (status, body)
        };
        let path = |id: &Value| format!("/auth/sessions/{}", id.as_str().unwrap());
        // Somebody else's is as unknown as one that never was.
        for unknown in [path(&list[0]["id"]), "/auth/sessions/x".into(), "/auth/sessions/%C3%A9".into()] {
            let (status, body) = delete(unknown.clone(), &bearers[3]).await;
            assert_eq!((status, &body["code"]), (404, &json!("session_not_found")), "{unknown}");
        }
        assert_eq!(delete(path(&list[0]["id"]), &bearers[0]).await.0, 204);
        assert_eq!(delete(path(&list[0]["id"]), &bearers[0]).await.0, 404, "it is ended");
        assert_eq!(sessions(&bearers[2]).await.0, 401);
        assert_eq!(delete("/auth/sessions".into(), &bearers[0]).await, (200, json!({"revoked": 1})));
        assert_eq!(sessions(&bearers[1]).await.0, 401);
        assert_eq!(sessions(&bearers[0]).await.1.as_array().unwrap().len(), 1);
        // One's own: a logout.
        assert_eq!(delete(path(&list[2]["id"]), &bearers[0]).await.0, 204);
        assert_eq!(sessions(&bearers[0]).await.0, 401);
        assert_eq!(sessions(&bearers[3]).await.0, 200, "another user goes on");
        let (status, _, body) =
            ask(&client, Method::POST, "/auth/logout_all", &[("authorization", &bearers[3])], Value::Null)
                .await;
        assert_eq!((status, body), (200, json!({"revoked": 1})));
        for (method, path) in [
            (Method::GET, "/auth/sessions"),
            (Method::DELETE, "/auth/sessions"),
            (Method::POST, "/auth/logout_all"),
        ] {
            let (status, _, body) = ask(&client, method, path, &[], Value::Null).await;
            assert_eq!((status, &body["code"]), (401, &json!("not_authenticated")), "{path}");
        }
    });
}

/// H-9, H-10: nothing changes by GET, nor by a request that another site caused.
#[test]
fn h_9_h_10_only_posts_and_deletes_of_this_site_change_anything() {
    bounded(async {
        let app = TestApp::new();
        let client = cookie_app(&app);
        let (_, headers, _) = post(&client, "/auth/obtain", credentials("bob")).await;
        let cookies = Tokens::of(&headers).cookies();
        for path in ["obtain", "refresh", "verify", "revoke", "expire", "logout", "logout_all"] {
            for method in [Method::GET, Method::HEAD, Method::PUT] {
                let (status, ..) =
                    ask(&client, method, &format!("/auth/{path}"), &[("cookie", &cookies)], Value::Null)
                        .await;
                assert_eq!(status, 405, "{path}");
            }
        }
        let foreign = [("cookie", cookies.as_str()), ("sec-fetch-site", "cross-site")];
        let id = app.jwtauth.sessions().list("bob").await.unwrap()[0].id;
        for (method, path) in [
            (Method::POST, "/auth/obtain".to_owned()),
            (Method::POST, "/auth/refresh".to_owned()),
            (Method::POST, "/auth/logout".to_owned()),
            (Method::POST, "/auth/logout_all".to_owned()),
            (Method::DELETE, "/auth/sessions".to_owned()),
            (Method::DELETE, format!("/auth/sessions/{id}")),
        ] {
            let (status, headers, body) = ask(&client, method, &path, &foreign, credentials("mallory")).await;
            assert_eq!((status, &body["code"]), (403, &json!("cross_origin")), "{path}");
            assert_eq!(set_cookies(&headers), Vec::<String>::new(), "{path}");
        }
        let (status, ..) = ask(&client, Method::GET, "/me", &[("cookie", &cookies)], Value::Null).await;
        assert_eq!(status, 200);
    });
}

#[test]
fn r_5_an_outage_is_503_on_every_route() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = body_app(&app);
        let (.., tokens) = post(&client, "/auth/obtain", credentials("bob")).await;
        let bearer = format!("Bearer {}", tokens["access"].as_str().unwrap());
        store.set(Fault::Error, Fault::Error);
        for (path, body) in [
            ("obtain", credentials("bob")),
            ("refresh", json!({"refresh": tokens["refresh"]})),
            ("verify", json!({"token": tokens["access"]})),
            ("verify", json!({"token": tokens["refresh"]})),
            ("revoke", json!({"refresh": tokens["refresh"]})),
            ("logout", Value::Null),
            ("logout_all", Value::Null),
        ] {
            let (status, headers, problem) =
                ask(&client, Method::POST, &format!("/auth/{path}"), &[("authorization", &bearer)], body)
                    .await;
            assert_eq!((status, &problem["code"]), (503, &json!("store_unavailable")), "{path}");
            assert!(headers.contains_key(header::RETRY_AFTER), "{path}");
        }
    });
}
