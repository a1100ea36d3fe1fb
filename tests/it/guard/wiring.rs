//! A `JwtAuth` that is missing, or in the wrong place: an error that names place and fix, never a pass.

use super::shapes::sync_fn;
use super::*;

#[require_auth]
async fn unwired() -> &'static str {
    "control room"
}

#[require_auth(optional)]
async fn unwired_optional() -> &'static str {
    "control room"
}

#[handler]
async fn unwired_extractor(_user: CurrentUser<User>) -> &'static str {
    "control room"
}

#[handler]
async fn unwired_auth(_auth: jwtauth::Auth) -> &'static str {
    "control room"
}

fn unwired_routes() -> Route {
    Route::new()
        .at("/guarded", get(unwired))
        .at("/optional", get(unwired_optional))
        .at("/extractor", get(unwired_extractor))
        .at("/auth", get(unwired_auth))
}

/// Asks all the routes of [`unwired_routes`] and returns the log.
fn wired_wrongly<E: Endpoint>(wire: impl FnOnce(Route, JwtAuth) -> E) -> String {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let client = TestClient::new(wire(unwired_routes(), app.jwtauth.clone()).map_to_response());
        for path in ["/guarded", "/optional", "/extractor", "/auth"] {
            for cookies in [None, Some(alice.cookies())] {
                let answered = answer(client.get(path), cookies.as_deref()).await;
                assert_eq!(answered.status(), 500, "{path}");
                let body = text(answered).await;
                let problem: Value = serde_json::from_str(&body).expect("a problem");
                assert_eq!(problem["code"], "server_error");
                for told in ["control room", "JwtAuth", "unwired", "wiring.rs", "with"] {
                    assert!(!body.contains(told), "{told}: {body}");
                }
            }
        }
        log.text()
    })
}

/// Checks that each route has its line in the log, which names the place and the fix.
fn names_place_and_fix(log: &str, fix: &str) {
    let line_of = |name: &str| {
        let mut lines = include_str!("wiring.rs").lines();
        1 + lines.position(|line| line.starts_with(&format!("async fn {name}("))).expect("it is there")
    };
    for name in ["unwired", "unwired_optional"] {
        let place = format!("`#[require_auth]` on `it::guard::wiring::{name}` (tests/it/guard/wiring.rs:");
        let line = log
            .lines()
            .find(|line| line.contains(&place))
            .unwrap_or_else(|| panic!("no line says {place:?}: {log}"));
        let number = line.split(&place).nth(1).and_then(|rest| rest.split(')').next());
        let number: usize = number.and_then(|number| number.parse().ok()).expect("a line number");
        // The attribute's line or the function's.
        assert!((line_of(name) - 1..=line_of(name)).contains(&number), "{number}: {line}");
        assert!(line.contains("ERROR") && line.contains("jwtauth") && line.contains(fix), "{line}");
    }
    for asker in ["tests::app::User", "`Auth`"] {
        let found =
            log.lines().any(|line| line.contains("ERROR") && line.contains(asker) && line.contains(fix));
        assert!(found, "no line says {asker:?}: {log}");
    }
}

#[test]
fn h_11_without_the_middleware_there_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, _| routes);
    names_place_and_fix(
        &log,
        "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)` or `.with(verifier)`",
    );
}

#[test]
fn h_11_the_middleware_as_data_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, jwtauth| routes.data(jwtauth));
    names_place_and_fix(&log, "it is a middleware: write `.with(auth)`");
}

#[test]
fn h_11_the_middleware_around_another_part_is_an_error_and_no_pass() {
    let log = wired_wrongly(|routes, jwtauth| {
        let other = Route::new().at("/", get(sync_fn)).with(jwtauth);
        Route::new().nest("/other", other).nest("/", routes)
    });
    names_place_and_fix(
        &log,
        "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)` or `.with(verifier)`",
    );
}

/// A middleware that asks who is calling, with `JwtAuth` behind it in place of in front.
#[test]
fn h_11_the_middleware_on_the_wrong_side_is_an_error_and_no_pass() {
    logged(async |log| {
        let app = TestApp::new();
        let alice = login(&app, "alice").await;
        let inner = app.jwtauth.transform(unwired_routes());
        let wrong = inner.around(|next, request| async move { next.call(asked(request).await?).await });
        let client = TestClient::new(wrong.into_endpoint());
        let answered = answer(client.get("/guarded"), Some(&alice.cookies())).await;
        assert_eq!(answered.status(), 500);
        assert_eq!(code(answered).await, "server_error");
        let log = log.text();
        assert!(
            log.contains("`&Identity`: no `JwtAuth` and no `Verifier` in front") && log.contains("(outside)"),
            "{log}"
        );
    });
}
