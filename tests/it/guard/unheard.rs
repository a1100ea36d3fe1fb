//! What a program says that is set up wrongly and has no subscriber of `tracing`: standard error is told once per
//! process and kind. And a gate that stands in front of nothing.

use std::time::Duration;

use jwtauth::{Key, LoginAttempt, LoginError, RequireAuth, Verifier};

use super::*;
use tests::test_store::TestStore;

/// Runs the program `wired_wrongly`. Returns its lines on standard error, and what it printed.
fn said(arguments: &[&str]) -> (Vec<String>, String) {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_wired_wrongly"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let [errors, output] = [program.stderr, program.stdout].map(|text| String::from_utf8(text).unwrap());
    assert!(program.status.success(), "{errors}");
    (errors.lines().map(str::to_owned).collect(), output)
}

const NOTHING: &str = "`JwtAuth` denies by default and is in front of nothing, so handlers without a guard are open: it is a middleware, so write `.with(..)`";

#[test]
fn n_17_without_a_subscriber_each_kind_of_mistake_is_told_once_on_standard_error() {
    let missing = "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)`";
    let data = "`JwtAuth` was added with `.data(auth)`; it is a middleware: write `.with(auth)`";
    for (mistake, told) in [
        ("no-middleware", &[missing][..]),
        ("as-data", &[data, NOTHING]),
        ("plain-as-data", &[NOTHING]),
        ("no-data", &["Member>` needs `wired_wrongly::Members`: add `.data(..)`"]),
        ("check", &["which reads the body"]),
        ("none", &[]),
    ] {
        let (lines, _) = said(&[mistake]);
        assert_eq!(lines.len(), told.len(), "{mistake}: {lines:#?}");
        for (line, told) in lines.iter().zip(told) {
            assert!(line.starts_with("jwtauth: ") && line.contains(told), "{mistake}: {line}");
        }
        // Lines for another program are no reason to be silent.
        assert_eq!(said(&["deaf", mistake]).0, lines, "{mistake}");
    }
}

#[test]
fn n_17_somebody_who_listens_has_it_in_the_log_and_not_on_standard_error() {
    for (mistake, fix) in
        [("no-middleware", "write `.with"), ("plain-as-data", NOTHING), ("no-data", "add `.data")]
    {
        let (lines, output) = said(&["listening", mistake]);
        assert_eq!(lines, Vec::<String>::new(), "{mistake}");
        assert!(output.contains("ERROR") && output.contains(fix.trim_start_matches("write ")), "{output}");
    }
}

#[handler]
fn open() {}

async fn nobody(_: LoginAttempt) -> std::result::Result<User, LoginError> {
    Err(LoginError::InvalidCredentials)
}

fn denying() -> JwtAuth {
    let builder = JwtAuth::builder().secret(tests::app::SECRET).deny_by_default(RequireAuth::new());
    builder.build(TestStore::new()).unwrap()
}

/// Asks for `/` once, and returns the status with the log.
fn asked_once<E: Endpoint + 'static>(app: impl FnOnce() -> E) -> (StatusCode, String) {
    logged(async |log| {
        let client = TestClient::new(app().map_to_response());
        (client.get("/").send().await.0.status(), log.text())
    })
}

#[test]
fn n_13_a_gate_in_front_of_nothing_is_told_of_at_the_first_request() {
    let plain = || Route::new().at("/", get(open));
    let (status, log) = asked_once(|| plain().data(denying()));
    assert_eq!((status, log.matches(NOTHING).count()), (StatusCode::OK, 1), "{log}");
    // Its ready-made routes stand behind it, and the application does not.
    let (_, log) = asked_once(|| {
        let auth = denying();
        plain().nest("/auth", auth.routes(nobody)).data(auth)
    });
    assert!(log.contains(NOTHING), "{log}");
    let (_, log) = asked_once(|| plain().data(State { _auth: denying() }));
    assert!(log.contains(NOTHING), "{log}");
    let (_, log) = asked_once(|| {
        let key = Key::hmac(jwtauth::keys::Algorithm::HS256, tests::app::SECRET).unwrap();
        let verifier = Verifier::builder("issuer", "audience").key(key).deny_by_default(RequireAuth::new());
        plain().data(verifier.build().unwrap())
    });
    assert!(log.contains("`Verifier` denies by default and is in front of nothing"), "{log}");
}

/// N-13: data of a request is `Send` and `Sync`. A guard is not `Sync`, so neither an `Arc` of it nor a
/// reference is data. This does not compile if it is: then it is not clear which `some` is meant.
#[test]
fn n_13_a_guard_behind_a_pointer_is_no_data() {
    trait AmbiguousIfShared<Kind> {
        fn some() {}
    }
    struct Shared;
    impl<T: ?Sized> AmbiguousIfShared<()> for T {}
    impl<T: ?Sized + Sync> AmbiguousIfShared<Shared> for T {}
    <RequireAuth as AmbiguousIfShared<_>>::some();

    const fn is_movable<T: Send>() {}
    is_movable::<RequireAuth>();
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<JwtAuth>();
}

/// N-13: of what only a pointer is data, nothing runs in a request. A minute after the start is soon enough to
/// find it in the log.
#[test]
fn n_13_a_gate_that_is_shared_and_in_front_of_nothing_is_told_of() {
    let plain = || Route::new().at("/", get(open));
    type Wire = fn(Route, JwtAuth) -> poem::endpoint::BoxEndpoint<'static, Response>;
    let cases: [(&str, Wire, bool); 4] = [
        ("an Arc", |app, auth| app.data(Arc::new(auth)).map_to_response().boxed(), true),
        ("a static", |app, auth| app.data(&*Box::leak(Box::new(auth))).map_to_response().boxed(), true),
        ("an Arc and in front", |app, auth| app.data(Arc::new(auth.clone())).with(auth).boxed(), false),
        ("in front", |app, auth| app.with(auth).boxed(), false),
    ];
    for (what, wire, is_told) in cases {
        logged_in_no_time(async move |log| {
            let client = TestClient::new(wire(plain(), denying()));
            let told = || log.text().matches("in front of nothing a minute after it was made").count();
            client.get("/").send().await;
            tokio::time::sleep(Duration::from_secs(59)).await;
            assert_eq!(told(), 0, "{what}: there may be more to set up");
            tokio::time::sleep(Duration::from_secs(600)).await;
            assert_eq!(told(), usize::from(is_told), "{what}: {}", log.text());
            drop(client);
        });
    }
    // A guarded handler says at once what is wrong.
    for shared in [
        |app: Route, auth: JwtAuth| app.data(Arc::new(auth)).map_to_response().boxed(),
        |app: Route, auth: JwtAuth| app.data(&*Box::leak(Box::new(auth))).map_to_response().boxed(),
    ] {
        let (status, log) = asked_once(|| shared(Route::new().at("/", get(guarded)), denying()));
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(log.contains("`JwtAuth` was added with `.data(auth)`"), "{log}");
    }
}

#[require_auth]
async fn guarded(_who: &Identity) {}

/// What an application keeps for its handlers.
#[derive(Clone)]
struct State {
    _auth: JwtAuth,
}

/// Hands a clone to what makes the app, as a `main` does that keeps one.
fn wired<E: Endpoint + 'static>(
    app: impl FnOnce(JwtAuth) -> E,
) -> poem::endpoint::BoxEndpoint<'static, Response> {
    let kept = denying();
    app(kept.clone()).map_to_response().boxed()
}

#[test]
fn n_13_a_gate_that_stands_in_front_may_be_data_too() {
    let plain = || Route::new().at("/", get(open));
    for app in [
        || wired(|auth| Route::new().at("/", get(open)).data(auth.clone()).with(auth)),
        || wired(|auth| Route::new().at("/", get(open)).with(auth.clone()).data(auth)),
        || wired(|auth| Route::new().at("/", get(open)).data(State { _auth: auth.clone() }).with(auth)),
    ] {
        let (status, log) = asked_once(app);
        assert_eq!((status, log.contains("in front of nothing")), (StatusCode::UNAUTHORIZED, false), "{log}");
    }
    // Nothing is denied by default, so nothing is open that should not be.
    let (status, log) = asked_once(|| plain().data(TestApp::new().jwtauth));
    assert_eq!((status, log.contains("ERROR")), (StatusCode::OK, false), "{log}");
}
