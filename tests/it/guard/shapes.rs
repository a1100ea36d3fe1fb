//! Every shape of a function that can be guarded, and every form in which who is calling arrives.

use super::*;

#[require_auth]
pub(super) fn sync_fn() -> &'static str {
    "sync_fn"
}

#[require_auth]
async fn async_fn() -> &'static str {
    ready("async_fn").await
}

trait Named: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Generic;

impl Named for Generic {
    const NAME: &'static str = "generic_fn";
}

#[require_auth]
async fn generic_fn<T: Named, const N: usize>(_who: &Identity) -> String {
    assert_eq!(N, 7);
    T::NAME.to_owned()
}

#[require_auth]
fn impl_response() -> impl IntoResponse {
    "impl_response".with_status(StatusCode::OK)
}

#[require_auth]
async fn fallible(who: &Identity) -> Result<&'static str> {
    match who.has_role("admin") {
        true => Ok("fallible"),
        false => Err(poem::Error::from_string("no tea", StatusCode::IM_A_TEAPOT)),
    }
}

/// Says its name.
///
/// More than one line of documentation.
#[require_auth]
async fn documented() -> &'static str {
    "documented"
}

#[require_auth]
#[handler]
async fn above_handler(CurrentUser(who): CurrentUser) -> String {
    assert_eq!(who.subject(), "alice");
    "above_handler".into()
}

#[require_auth]
#[poem::handler]
pub(super) fn above_sync_handler() -> &'static str {
    "above_sync_handler"
}

/// A name that the expansion must not trip over. poem's `#[handler]` does, in a whole module.
mod names {
    use jwtauth::require_auth;

    #[require_auth]
    pub(super) async fn req(body: String) -> String {
        let __req = body;
        format!("req{__req}")
    }
}

fn shapes() -> Route {
    Route::new()
        .at("/sync_fn", get(sync_fn))
        .at("/async_fn", get(async_fn))
        .at("/generic_fn", get(generic_fn::<Generic, 7>::default()))
        .at("/impl_response", get(impl_response))
        .at("/fallible", get(fallible))
        .at("/documented", get(documented))
        .at("/above_handler", get(above_handler))
        .at("/above_sync_handler", get(above_sync_handler))
        .at("/req", get(names::req))
}

#[test]
fn every_shape_of_handler_is_guarded_and_runs() {
    bounded(async {
        let app = TestApp::new();
        let (alice, bob) = (login(&app, "alice").await, login(&app, "bob").await);
        let client = client(&app, shapes());
        for name in [
            "sync_fn",
            "async_fn",
            "generic_fn",
            "impl_response",
            "fallible",
            "documented",
            "above_handler",
            "above_sync_handler",
            "req",
        ] {
            let path = format!("/{name}");
            assert_eq!(answer(client.get(&path), None).await.status(), 401, "{name}");
            let answered = answer(client.get(&path), Some(&alice.cookies())).await;
            assert_eq!(answered.status(), 200, "{name}");
            assert_eq!(text(answered).await, name);
        }
        let failed = answer(client.get("/fallible"), Some(&bob.cookies())).await;
        assert_eq!(failed.status(), 418);
        assert_eq!(text(failed).await, "no tea");
    });
}

#[require_auth]
async fn every_argument(
    user: User,
    current: CurrentUser<User>,
    CurrentUser(identity): CurrentUser,
    who: &Identity,
    session: &Session,
) -> String {
    assert_eq!(user, current.0);
    assert_eq!(identity.session_id(), session.id);
    assert_eq!(who.session(), Some(session));
    [&user.name, identity.subject(), who.subject(), &session.subject].join(" ")
}

#[require_auth(optional)]
async fn every_option(
    user: Option<User>,
    current: Option<CurrentUser<User>>,
    identity: Option<CurrentUser>,
    who: Option<&Identity>,
    session: Option<&Session>,
) -> String {
    let names = [
        user.map(|user| user.name),
        current.map(|user| user.name.clone()),
        identity.map(|who| who.subject().to_owned()),
        who.map(|who| who.subject().to_owned()),
        session.map(|session| session.subject.clone()),
    ];
    names.map(|name| name.unwrap_or("nobody".into())).join(" ")
}

#[handler]
async fn plain_user(user: User) -> String {
    user.name
}

#[handler]
async fn plain_current(user: CurrentUser<User>) -> String {
    user.name.clone()
}

#[handler]
async fn plain_identity(who: &Identity) -> String {
    who.subject().to_owned()
}

#[handler]
async fn plain_session(session: &Session) -> String {
    session.subject.clone()
}

pub(super) fn arguments() -> Route {
    Route::new()
        .at("/every", get(every_argument).post(every_argument))
        .at("/option", get(every_option).post(every_option))
        .at("/plain/user", get(plain_user).post(plain_user))
        .at("/plain/current", get(plain_current).post(plain_current))
        .at("/plain/identity", get(plain_identity).post(plain_identity))
        .at("/plain/session", get(plain_session).post(plain_session))
}

#[test]
fn who_is_calling_comes_in_every_form() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, arguments());
        for (path, expected) in [("/every", "bob bob bob bob"), ("/option", "bob bob bob bob bob")] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(text(answered).await, expected);
        }
        assert_eq!(answer(client.get("/every"), None).await.status(), 401);
        let nobody = answer(client.get("/option"), None).await;
        assert_eq!(text(nobody).await, ["nobody"; 5].join(" "));
    });
}

/// Without a guard in front of them the extractors authenticate by themselves, cross-origin check included.
#[test]
fn h_10_extractors_in_a_plain_handler_authenticate() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, arguments());
        for path in ["/plain/user", "/plain/current", "/plain/identity", "/plain/session"] {
            assert_eq!(answer(client.get(path), None).await.status(), 401, "{path}");
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(text(answered).await, "bob", "{path}");
            let foreign = client.post(path).header("sec-fetch-site", "cross-site");
            assert_eq!(answer(foreign, Some(&bob.cookies())).await.status(), 403, "{path}");
        }
    });
}
