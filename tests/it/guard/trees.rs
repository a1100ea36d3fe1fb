//! `RequireAuth`: a guard around a tree of routes, with guards of its own inside.

use std::panic::catch_unwind;
use std::time::Duration;

use jwtauth::RequireAuth;

use super::bodies::endless;
use super::table::Member;
use super::*;

#[handler]
fn unguarded() -> &'static str {
    "leaf"
}

#[require_auth(scope = "posts:write")]
async fn writers() -> &'static str {
    "leaf"
}

#[require_auth(optional)]
async fn anybody(user: Option<User>) -> String {
    user.map_or("nobody".into(), |_| "leaf".into())
}

/// Server-sent events: an answer that never ends.
#[handler]
fn events(Data(polls): Data<&Arc<AtomicUsize>>) -> Response {
    Response::builder().content_type("text/event-stream").body(endless(polls))
}

#[require_auth]
fn guarded_events(Data(polls): Data<&Arc<AtomicUsize>>) -> Response {
    Response::builder().content_type("text/event-stream").body(endless(polls))
}

/// Takes over the connection, as a websocket does.
#[handler]
fn socket(request: &Request) -> StatusCode {
    assert_eq!(request.header(header::UPGRADE), Some("websocket"));
    StatusCode::SWITCHING_PROTOCOLS
}

#[test]
fn h_11_a_guarded_tree_and_a_guarded_handler_both_ask() {
    bounded(async {
        let app = TestApp::new();
        let tree = || {
            Route::new()
                .at("/leaf", get(unguarded))
                .at("/writers", get(writers))
                .at("/anybody", get(anybody))
                .nest("/oncall", Route::new().at("/leaf", unguarded).with(RequireAuth::new().role("oncall")))
        };
        let routes = Route::new()
            .nest("/admin", tree().with(RequireAuth::new().role("admin")))
            .nest("/twice", tree().with(RequireAuth::new().role("admin").role("oncall")))
            .at("/open", get(unguarded));
        let client = client(&app, routes);
        let mut users = Vec::new();
        for (name, roles, scopes) in [
            ("rita", &["admin"][..], &["posts:write"][..]),
            ("otto", &["admin", "oncall"], &[]),
            ("walt", &["oncall"], &["posts:write"]),
        ] {
            users.push(Some(login(&app, name).await.cookies()));
            app.jwtauth.sessions().update_user(&Member::new(name, roles, scopes)).await.unwrap();
        }
        users.push(None);
        for (path, expected) in [
            ("/admin/leaf", [200, 200, 403, 401]),
            ("/admin/writers", [200, 403, 403, 401]),
            ("/admin/anybody", [200, 200, 403, 401]),
            ("/admin/oncall/leaf", [403, 200, 403, 401]),
            ("/twice/leaf", [403, 200, 403, 401]),
            // Nobody learns which paths there are, or which methods.
            ("/admin/nowhere", [404, 404, 403, 401]),
            ("/admin", [404, 404, 403, 401]),
            ("/admin/oncall/nowhere", [403, 404, 403, 401]),
            ("/open", [200, 200, 200, 200]),
        ] {
            for (user, expected) in users.iter().zip(expected) {
                let answered = answer(client.get(path), user.as_deref()).await;
                assert_eq!(answered.status(), expected, "{path} {user:?}");
                let told = text(answered).await;
                assert_eq!(told.contains("leaf"), expected == 200, "{path}: {told}");
            }
        }
        assert_eq!(answer(client.delete("/admin/leaf"), users[0].as_deref()).await.status(), 405);
        assert_eq!(answer(client.delete("/admin/leaf"), None).await.status(), 401);
    });
}

#[test]
fn h_12_streams_and_upgrades_start_behind_the_guard() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        let polls = Arc::new(AtomicUsize::new(0));
        let tree = Route::new().at("/events", events).at("/socket", get(socket)).with(RequireAuth::new());
        let routes = Route::new().at("/events", guarded_events).nest("/tree", tree).data(Arc::clone(&polls));
        let client = client(&app, Route::new().nest("/", routes));
        for path in ["/events", "/tree/events"] {
            assert_eq!(answer(client.get(path), None).await.status(), 401, "{path}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{path}: the stream was started");
        }
        for path in ["/events", "/tree/events"] {
            let answered = answer(client.get(path), Some(&bob)).await;
            assert_eq!(answered.content_type(), Some("text/event-stream"), "{path}");
            assert_eq!(answered.headers()[header::CACHE_CONTROL], "no-store", "{path}");
        }
        let upgrade = |site: &str| {
            client
                .get("/tree/socket")
                .header("upgrade", "websocket")
                .header("sec-fetch-site", site.to_owned())
        };
        assert_eq!(answer(upgrade("same-origin"), None).await.status(), 401);
        assert_eq!(answer(upgrade("cross-site"), None).await.status(), 401);
        assert_eq!(answer(upgrade("cross-site"), Some(&bob)).await.status(), 403);
        assert_eq!(answer(upgrade("same-origin"), Some(&bob)).await.status(), 101);
    });
}

/// Around everything: `JwtAuth` in place of outside stands inside, or is not there.
#[test]
fn h_11_a_tree_without_the_middleware_in_front_is_an_error_that_names_the_place() {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await.cookies();
        let tree = || Route::new().at("/leaf", get(unguarded));
        let line = line!() + 1;
        let guard = RequireAuth::new();
        let jwtauth = app.jwtauth.clone();
        let missing = TestClient::new(tree().with(&guard).boxed());
        let inside = TestClient::new(tree().with(jwtauth.clone()).with(&guard).boxed());
        let as_data = TestClient::new(tree().with(guard).data(jwtauth).map_to_response().boxed());
        let outside = "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)` or `.with(verifier)` to the app, after (outside) every other";
        for (client, fix) in [
            (missing, outside),
            (inside, outside),
            (as_data, "`JwtAuth` was added with `.data(auth)`; it is a middleware: write `.with(auth)`"),
        ] {
            let before = log.text().len();
            let answered = answer(client.get("/leaf"), Some(&alice)).await;
            assert_eq!(answered.status(), 500);
            let told = text(answered).await;
            assert!(told.contains("server_error") && !told.contains("JwtAuth"), "{told}");
            let log = log.text().split_off(before);
            let said = format!("ERROR jwtauth: `RequireAuth` (tests/it/guard/trees.rs:{line}): {fix}");
            assert!(log.contains(&said), "{said:?} is not in: {log}");
        }
    });
}

/// What nobody could meet, or everybody, is found at start, and where it was written.
#[test]
fn a_condition_that_is_none_panics_at_start_where_it_is_written() {
    type Make = fn() -> RequireAuth;
    let cases: [(Make, &str); 8] = [
        (|| RequireAuth::new().role(""), "a role needs a name"),
        (|| RequireAuth::new().any_role(&[]), "a list of roles needs one"),
        (|| RequireAuth::new().all_roles(&["admin", ""]), "a role needs a name"),
        (|| RequireAuth::new().scope("posts:read posts:write"), "a scope is visible ASCII"),
        (|| RequireAuth::new().any_scope(&[]), "a list of scopes needs one"),
        (|| RequireAuth::new().all_scopes(&["posts:read", ""]), "a scope is visible ASCII"),
        (
            || RequireAuth::new().redirect("https://elsewhere.example/login"),
            "a login page is a path on this site",
        ),
        (|| RequireAuth::new().redirect("//elsewhere.example"), "a login page is a path on this site"),
    ];
    // One hook for the process: other tests that panic on purpose would be heard too.
    thread_local!(static PLACE: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) });
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| place.file().to_owned()).unwrap_or_default();
        PLACE.set(place);
        before(info);
    }));
    for (make, says) in cases {
        let panic = catch_unwind(make).expect_err(says);
        let said = panic.downcast_ref::<&str>().expect("a message");
        assert!(said.contains(says), "{said}");
        assert_eq!(PLACE.take(), "tests/it/guard/trees.rs", "{said}");
    }
}

/// `fresh` counts whole seconds, and rounds towards asking again.
#[test]
fn s_15_a_login_is_fresh_for_whole_seconds() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        let tree =
            |milliseconds| unguarded.with(RequireAuth::new().fresh(Duration::from_millis(milliseconds)));
        let routes = Route::new().at("/none", tree(0)).at("/half", tree(500)).at("/one", tree(1_999));
        let client = client(&app, routes);
        for (age, expected) in [(0, [200, 200, 200]), (1, [401, 401, 200]), (1, [401, 401, 401])] {
            app.clock.advance(Duration::from_secs(age));
            for (path, expected) in ["/none", "/half", "/one"].into_iter().zip(expected) {
                let answered = answer(client.get(path), Some(&bob)).await;
                assert_eq!(answered.status(), expected, "{path} {age}");
            }
        }
        // A clock that was set back makes no login older.
        app.clock.set(tests::app::START - 10);
        assert_eq!(answer(client.get("/one"), Some(&bob)).await.status(), 401, "issued in the future");
    });
}
