//! Deny by default: what is not public is closed, before anything behind the middleware runs.

use jwtauth::{JwtAuthBuilder, RequireAuth};
use poem::middleware::{Cors, NormalizePath, TrailingSlash};

use super::*;
use tests::test_store::TestStore;

/// An app that denies by default.
fn denying(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> TestApp {
    TestApp::with(TestStore::new(), |builder| {
        set(builder.deny_by_default(RequireAuth::new()).public("POST /login"))
    })
}

#[handler]
fn plain() -> &'static str {
    "plain"
}

#[handler]
fn echo(request: &Request) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

#[test]
fn h_11_nothing_behind_it_runs_for_a_stranger() {
    bounded(async {
        let app = denying(|builder| builder);
        let bob = login(&app, "bob").await;
        let ran = Arc::new(AtomicUsize::new(0));
        let routes = Route::new().at("/plain", plain).nest("/in", Route::new().at("/side", get(echo)));
        let counter = Arc::clone(&ran);
        let counted = routes.before(move |request| {
            counter.fetch_add(1, Ordering::SeqCst);
            ready(Ok(request))
        });
        let client = TestClient::new(counted.with(app.jwtauth.clone()));
        let methods =
            ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"];
        for method in methods.map(|method| Method::from_bytes(method.as_bytes()).unwrap()) {
            for path in ["/", "/plain", "/in/side", "/nowhere", "/login/", "/admin%2F..%2Flogin"] {
                let polled = Arc::new(AtomicUsize::new(0));
                let body = stream::poll_fn({
                    let polled = Arc::clone(&polled);
                    move |_| {
                        polled.fetch_add(1, Ordering::SeqCst);
                        Poll::Ready(None::<std::io::Result<Vec<u8>>>)
                    }
                });
                let request = client.request(method.clone(), path).body(Body::from_bytes_stream(body));
                let refused = answer(request, None).await;
                assert_eq!(refused.status(), 401, "{method} {path}");
                assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], r#"Bearer realm="api""#);
                assert_eq!(refused.headers()[header::CACHE_CONTROL], "no-store");
                assert_eq!(code(refused).await, "not_authenticated");
                assert_eq!(polled.load(Ordering::SeqCst), 0, "H-11: {method} {path}: the body is not read");
            }
        }
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        let known = answer(client.get("/plain"), Some(&bob.cookies())).await;
        assert_eq!((known.status(), ran.load(Ordering::SeqCst)), (StatusCode::OK, 1));
        assert_eq!(answer(client.get("/nowhere"), Some(&bob.cookies())).await.status(), 404);
        assert_eq!(
            answer(client.get("/plain").header(header::AUTHORIZATION, bob.bearer()), None).await.status(),
            200
        );
        // A stranger with a stale cookie is no better off, and loses it.
        app.jwtauth.sessions().revoke_all("bob").await.unwrap();
        let ended = answer(client.get("/plain"), Some(&bob.cookies())).await;
        assert_eq!((ended.status(), set_cookies(ended.headers()).len()), (StatusCode::UNAUTHORIZED, 2));
    });
}

#[test]
fn h_11_the_conditions_of_the_default_guard_are_those_of_require_auth() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            let guard = RequireAuth::new().role("admin").redirect("/sign-in");
            builder.deny_by_default(guard).public("/login").public("GET /sign-in")
        });
        let client = client(&app, Route::new().at("/plain", get(plain)).at("/sign-in", get(plain)));
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        assert_eq!(answer(client.get("/plain"), Some(&alice.cookies())).await.status(), 200);
        assert_eq!(answer(client.get("/plain"), Some(&bob.cookies())).await.status(), 403);
        let page = answer(client.get("/plain?a=b").header(header::ACCEPT, "text/html"), None).await;
        assert_eq!(
            (page.status(), &page.headers()[header::LOCATION]),
            (StatusCode::SEE_OTHER, &header::HeaderValue::from_static("/sign-in?next=/plain%3Fa%3Db"))
        );
        assert_eq!(answer(client.get("/plain"), None).await.status(), 401);
        assert_eq!(
            answer(client.get("/sign-in").header(header::ACCEPT, "text/html"), None).await.status(),
            200
        );
    });
}

/// Over a real connection, where the original URI is what the client has sent.
#[test]
fn h_11_a_public_path_is_the_whole_path_as_it_was_sent() {
    bounded(async {
        let app = denying(|builder| {
            builder.public("/").public("GET /in/side").public("/files/").public("/in/{id}/page")
        });
        let inner = Route::new().at("/side", echo).at("/:id/page", echo).at("/secret", echo);
        let routes = Route::new()
            .at("/", echo)
            .at("/side", echo)
            .at("/*rest", echo)
            .nest("/in", inner)
            // Nested, and with a layer of the same middleware again.
            .nest("/files", Route::new().at("/*rest", echo).with(app.jwtauth.clone()));
        let server = serve(routes.with(app.jwtauth.clone())).await;
        for (line, expected) in [
            ("GET /", 200),
            ("GET /?next=/side", 200),
            ("GET http://elsewhere.example/", 200),
            ("GET http://elsewhere.example", 200),
            ("GET //", 401),
            ("GET /;x=y", 401),
            ("GET /in/side", 200),
            ("HEAD /in/side", 200),
            ("GET http://elsewhere.example/in/side?a", 200),
            ("POST /in/side", 401),
            ("OPTIONS /in/side", 401),
            ("get /in/side", 401),
            ("GET /side", 401),
            ("GET /in/side/", 401),
            ("GET /in//side", 401),
            ("GET //in/side", 401),
            ("GET /In/side", 401),
            ("GET /in/%73ide", 401),
            ("GET /in/secret", 401),
            ("GET /in/1/page", 200),
            ("GET /in//page", 401),
            ("GET /in/%2e%2e/page", 401),
            ("GET /in/a%2Fb/page", 401),
            ("GET /files/a/b", 200),
            ("GET /files/../in/secret", 401),
            ("GET /files/%2E%2e/in/secret", 401),
            ("GET /files/..%2fin/secret", 401),
            ("GET /files/..\\in\\secret", 401),
            ("GET /files/..;/in/secret", 401),
            ("GET http://elsewhere.example/files/../in/secret", 401),
            ("OPTIONS *", 401),
            ("CONNECT elsewhere.example:443", 401),
        ] {
            let request = format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answered = send(&server.url, request.as_bytes(), true).await.unwrap();
            assert_eq!(status(&answered), expected, "{line}");
        }
    });
}

#[test]
fn h_11_a_middleware_that_changes_paths_opens_nothing() {
    bounded(async {
        let app = denying(|builder| builder.public("/files/").public("/page"));
        let routes = Route::new().at("/files", echo).at("/page", echo).at("/files/*rest", echo);
        let outside = routes.with(app.jwtauth.clone()).with(NormalizePath::new(TrailingSlash::Trim));
        let server = serve(outside).await;
        for (line, expected) in [
            ("GET /page", 200),
            ("GET /files/a", 200),
            ("GET /files//a/", 200),
            // Asked for `/files/`, which is public, and would be given `/files`, which is not.
            ("GET /files/", 401),
            ("GET /files//", 401),
            ("GET //page", 401),
            ("GET /page/", 401),
        ] {
            let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answered = send(&server.url, request.as_bytes(), true).await.unwrap();
            assert_eq!(status(&answered), expected, "{line}");
        }
    });
}

#[require_auth(csrf = false)]
async fn webhook() -> &'static str {
    "taken"
}

/// The default guard asks first; a path that is exempt, or public with a guard of its own, gets through to `csrf = false`.
#[test]
fn h_10_the_default_guard_checks_the_origin_before_a_handler_that_does_not() {
    bounded(async {
        let app = denying(|builder| builder.cross_origin_exempt("/exempt/{id}").public("/public"));
        let routes = Route::new()
            .at("/closed", post(webhook))
            .at("/public", post(webhook))
            .at("/exempt/1", post(webhook))
            .at("/exempt/plain", post(plain));
        let client = client(&app, routes);
        let bob = login(&app, "bob").await;
        for (path, stranger, by_other_site) in [
            ("/closed", 401, 403),
            ("/public", 401, 200),
            ("/exempt/1", 401, 200),
            ("/exempt/plain", 401, 200),
        ] {
            let foreign = || client.post(path).header("sec-fetch-site", "cross-site");
            assert_eq!(answer(foreign(), None).await.status(), stranger, "{path}");
            assert_eq!(answer(foreign(), Some(&bob.cookies())).await.status(), by_other_site, "{path}");
        }
    });
}

#[test]
fn a_public_route_is_not_asked_for_anything() {
    bounded(async {
        let app = denying(|builder| builder.public("/plain").public("/guarded"));
        let client = client(&app, Route::new().at("/plain", get(plain)).at("/guarded", get(shapes::sync_fn)));
        let bob = login(&app, "bob").await;
        let answered = answer(client.get("/plain"), Some(&bob.cookies())).await;
        assert_eq!(answered.status(), 200);
        // Anybody may keep a copy.
        assert!(
            !answered.headers().contains_key(header::CACHE_CONTROL)
                && !answered.headers().contains_key(header::VARY)
        );
        // A guard of its own still asks.
        assert_eq!(answer(client.get("/guarded"), None).await.status(), 401);
    });
}

#[test]
fn a_preflight_is_answered_outside() {
    bounded(async {
        let app = denying(|builder| builder);
        let routes = Route::new().at("/plain", get(plain));
        let client = TestClient::new(
            routes.with(app.jwtauth.clone()).with(Cors::new().allow_origin("https://app.example")),
        );
        let preflight = client.options("/plain").header(header::ORIGIN, "https://app.example");
        let answered = answer(preflight.header("access-control-request-method", "GET"), None).await;
        assert_eq!(answered.status(), 200);
        assert_eq!(answered.headers()["access-control-allow-origin"], "https://app.example");
    });
}

/// A second layer of the same middleware further in asks nothing again: one answer, one pair of cookies.
#[test]
fn a_second_layer_does_not_ask_twice() {
    bounded(async {
        let app = denying(|builder| builder);
        let bob = login(&app, "bob").await;
        let inner = Route::new().at("/plain", get(plain)).with(app.jwtauth.clone());
        let client = client(&app, Route::new().nest("/in", inner));
        assert_eq!(answer(client.get("/in/plain"), None).await.status(), 401);
        let renewed = answer(client.get("/in/plain"), Some(&bob.only_refresh())).await;
        assert_eq!((renewed.status(), set_cookies(renewed.headers()).len()), (StatusCode::OK, 2));
    });
}

#[test]
fn settings_that_contradict_each_other_are_refused_before_anything_is_opened() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sessions");
        let builder = || JwtAuth::builder().secret(tests::app::SECRET);
        let guarded = |guard| builder().deny_by_default(guard);
        for (builder, says) in [
            (builder().public("/login"), "deny_by_default"),
            (guarded(RequireAuth::new()).public("login"), "starts with a slash"),
            (guarded(RequireAuth::new()).public("get /login"), "capitals"),
            (guarded(RequireAuth::new().redirect("/login")), ".public(\"GET /login\")"),
        ] {
            let refused = builder.open(&path).await.unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
            assert!(!path.exists());
        }
        assert!(guarded(RequireAuth::new()).public("/login").open(&path).await.is_ok());
    });
}
