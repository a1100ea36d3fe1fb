//! What there is no session for, and what is put in the wrong place: an error that says what to write, never a pass.

use super::*;

#[require_auth]
async fn derived(user: User) -> String {
    user.name
}

#[require_auth(optional)]
async fn optional_derived(user: Option<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[handler]
async fn maybe_derived(MaybeUser(user): MaybeUser<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[require_auth]
async fn account(account: jwtauth::Account) -> String {
    account.name
}

#[handler]
async fn auth(auth: Auth) -> Result<String> {
    Ok(auth.session().await?.map_or("nobody".into(), |session| session.subject))
}

#[require_auth]
async fn own_session(session: &Session) -> String {
    session.subject.clone()
}

#[require_auth(optional)]
async fn optional_session(session: Option<&Session>) -> String {
    session.map_or("nobody".into(), |session| session.subject.clone())
}

#[require_auth]
async fn end(_end: SessionEnd) {}

#[require_auth]
async fn accounts(_accounts: &jwtauth::Accounts) {}

#[require_auth]
async fn sessions(_sessions: &jwtauth::Sessions) {}

#[require_auth(optional)]
async fn all_of_it(_jwtauth: &jwtauth::JwtAuth) {}

#[require_auth]
async fn token(user: TokenUser) -> String {
    user.subject().to_owned()
}

#[require_auth]
async fn guarded() {}

/// Checks the answer: 500 that tells nothing, and a line in the log for it.
fn is_wired_wrongly(answer: &Answer, log: &str, needed: &[&str]) {
    assert_eq!((answer.status, &*answer.code()), (500, "server_error"), "{needed:?}");
    for told in ["Verifier", "JwtAuth", "TokenUser", "session"] {
        assert!(!answer.body.contains(told), "{}", answer.body);
    }
    let found = log.lines().any(|line| {
        line.contains("ERROR") && line.contains("jwtauth") && needed.iter().all(|text| line.contains(text))
    });
    assert!(found, "no line says {needed:?}: {log}");
}

#[test]
fn what_needs_a_session_is_refused_and_the_log_says_what_to_take() {
    let no_sessions = "a `Verifier`, which has none: take `TokenUser` or `&Identity`";
    let no_copy = "it is kept in a session, and a `Verifier` has no sessions: take `TokenUser` or `&Identity` there, or write `AuthUser` by hand";
    for (path, needed) in [
        ("/derived", ["tests::app::User", no_copy]),
        ("/optional-derived", ["tests::app::User", no_copy]),
        ("/maybe-derived", ["tests::app::User", no_copy]),
        ("/account", ["Account", no_copy]),
        ("/auth", ["`Auth` needs", no_sessions]),
        ("/session", ["`&Session` needs", no_sessions]),
        ("/optional-session", ["`&Session` needs", no_sessions]),
        ("/end", ["`SessionEnd` needs", no_sessions]),
        ("/accounts", ["`&Accounts` needs", no_sessions]),
        ("/sessions", ["`&Sessions` needs", no_sessions]),
        ("/jwtauth", ["`&JwtAuth` needs", no_sessions]),
    ] {
        logged(async |log| {
            let issuer = issuer();
            let alice = testing::login(&issuer.jwtauth, &User::named("alice")).await;
            let routes = Route::new()
                .at("/derived", get(derived))
                .at("/optional-derived", get(optional_derived))
                .at("/maybe-derived", get(maybe_derived))
                .at("/account", get(account))
                .at("/auth", get(auth))
                .at("/session", get(own_session))
                .at("/optional-session", get(optional_session))
                .at("/end", get(end))
                .at("/accounts", get(accounts))
                .at("/sessions", get(sessions))
                .at("/jwtauth", get(all_of_it));
            let service = Service::new(routes.with(verifier(&issuer)).boxed());
            is_wired_wrongly(&service.get(path, alice.bearer()).await, &log.text(), &needed);
        });
    }
}

#[test]
fn h_11_a_token_user_behind_a_jwtauth_is_an_error_and_no_pass() {
    logged(async |log| {
        let issuer = issuer();
        let alice = bearer(&issuer, 1, &[], &[]).await;
        let service = Service::new(Route::new().at("/", get(token)).with(issuer.jwtauth.clone()).boxed());
        let needed = ["TokenUser` does not work here", "what a `Verifier` reads", "behind a `JwtAuth`"];
        is_wired_wrongly(&service.get("/", &alice).await, &log.text(), &needed);
    });
}

#[test]
fn h_11_without_either_middleware_the_log_names_both() {
    logged(async |log| {
        let issuer = issuer();
        let alice = bearer(&issuer, 1, &[], &[]).await;
        let routes = || Route::new().at("/guarded", get(guarded)).at("/token", get(token));
        let service = Service::new(routes().map_to_response().boxed());
        let both =
            "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)` or `.with(verifier)`";
        is_wired_wrongly(&service.get("/guarded", &alice).await, &log.text(), &["wiring.rs", both]);
        is_wired_wrongly(&service.get("/token", &alice).await, &log.text(), &["wiring::token", both]);
        let service = Service::new(routes().data(verifier(&issuer)).map_to_response().boxed());
        let fix = "`Verifier` was added with `.data(verifier)`; it is a middleware: write `.with(verifier)`";
        is_wired_wrongly(&service.get("/guarded", &alice).await, &log.text(), &[fix]);
    });
}
