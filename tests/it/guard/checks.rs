//! `check = ..`: the application's own rules, in every form, and what happens when one cannot be asked.

use poem::Error;
use poem::web::{Path, Query};
use serde::Deserialize;

use super::bodies::endless;
use super::users::{Finds, Member, Members};
use super::*;

/// Notes who was asked, in order.
type Asked = Arc<Mutex<Vec<&'static str>>>;

fn yes() -> bool {
    true
}

async fn no() -> bool {
    ready(false).await
}

fn owns(who: &Identity, Path((owner, _)): Path<(String, u64)>) -> bool {
    owner == who.subject()
}

async fn owns_as_user(user: User, Path((owner, _)): Path<(String, u64)>) -> bool {
    ready(owner == user.name).await
}

async fn owns_as_current(
    CurrentUser(user): CurrentUser<User>,
    Path((owner, _)): Path<(String, u64)>,
) -> bool {
    ready(owner == user.name).await
}

async fn owns_by_data(
    owner: Data<&String>,
    session: &Session,
    method: Method,
    request: &Request,
) -> Result<bool> {
    assert_eq!((&method, request.uri().path()), (request.method(), request.uri().path()));
    Ok(ready(**owner == session.subject).await)
}

fn teapot_unless_owner(who: &Identity, Path((owner, _)): Path<(String, u64)>) -> Result<()> {
    match owner == who.subject() {
        true => Ok(()),
        false => Err(Error::from_string("not your tea", StatusCode::IM_A_TEAPOT)),
    }
}

async fn teapot_or_no(who: &Identity, Path((owner, number)): Path<(String, u64)>) -> Result<bool> {
    if number == 418 {
        return Err(Error::from_status(StatusCode::IM_A_TEAPOT));
    }
    Ok(ready(owner == who.subject()).await)
}

fn rejects(who: &Identity, Path((owner, _)): Path<(String, u64)>) -> Result<(), jwtauth::Rejection> {
    if owner == who.subject() { Ok(()) } else { Err(jwtauth::Rejection::PermissionDenied) }
}

/// A rule for more than one type of thing.
fn generic<T: Default + PartialEq + Send>() -> bool {
    T::default() == T::default()
}

macro_rules! checked {
    ($($name:ident($($args:tt)*))+) => { $(
        #[require_auth($($args)*)]
        async fn $name(Path((_, number)): Path<(String, u64)>, body: String) -> String {
            format!("{number}{body}")
        }
    )+ };
}

checked! {
    by_identity(check = owns)
    by_user(check = owns_as_user)
    by_current(check = owns_as_current)
    by_data(check = owns_by_data)
    by_result(check = teapot_unless_owner)
    by_verdict(check = teapot_or_no)
    by_rejection(check = rejects)
    by_all(check = yes, check = owns, check = owns_as_user, check = generic::<u8>)
    by_none(check = owns, check = no)
}

#[test]
fn a_check_has_every_form() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        let routes = Route::new()
            .at("/identity/:owner/:number", by_identity)
            .at("/user/:owner/:number", by_user)
            .at("/current/:owner/:number", by_current)
            .at("/data/:owner/:number", by_data.data("bob".to_owned()))
            .at("/data-of-bill/:owner/:number", by_data.data("bill".to_owned()))
            .at("/result/:owner/:number", by_result)
            .at("/verdict/:owner/:number", by_verdict)
            .at("/rejection/:owner/:number", by_rejection)
            .at("/all/:owner/:number", by_all)
            .at("/none/:owner/:number", by_none);
        let client = client(&app, routes);
        for (path, expected) in [
            ("/identity/bob/1", 200),
            ("/identity/bill/1", 403),
            ("/user/bob/1", 200),
            ("/user/bill/1", 403),
            ("/current/bob/1", 200),
            ("/current/bill/1", 403),
            ("/data/bill/1", 200),
            ("/data-of-bill/bob/1", 403),
            ("/result/bob/1", 200),
            ("/result/bill/1", 418),
            ("/verdict/bob/1", 200),
            ("/verdict/bill/1", 403),
            ("/verdict/bill/418", 418),
            ("/rejection/bob/1", 200),
            ("/rejection/bill/1", 403),
            ("/all/bob/1", 200),
            ("/all/bill/1", 403),
            ("/none/bob/1", 403),
            // What a check's own extractor says, before the handler's says the same.
            ("/identity/bob/one", 400),
        ] {
            assert_eq!(answer(client.post(path), None).await.status(), 401, "{path}, a stranger");
            let polls = Arc::new(AtomicUsize::new(0));
            let body = if expected == 200 { Body::from("!") } else { endless(&polls) };
            let answered = answer(client.post(path).body(body), Some(&bob)).await;
            assert_eq!(answered.status(), expected, "{path}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{path}: the body was read");
            match expected {
                200 => assert_eq!(text(answered).await, "1!", "{path}"),
                403 => assert_eq!(code(answered).await, "permission_denied", "{path}"),
                _ => {}
            }
        }
    });
}

fn first(asked: Data<&Asked>) -> bool {
    asked.lock().unwrap().push("first");
    true
}

#[derive(Deserialize)]
struct Answers {
    second: bool,
}

fn second(asked: Data<&Asked>, Query(answers): Query<Answers>) -> bool {
    asked.lock().unwrap().push("second");
    answers.second
}

/// An extractor of the handler that says when it is asked.
struct Noted;

impl<'a> poem::FromRequest<'a> for Noted {
    async fn from_request(request: &'a Request, _: &mut poem::RequestBody) -> Result<Self> {
        request.data::<Asked>().unwrap().lock().unwrap().push("extractor");
        Ok(Self)
    }
}

#[require_auth(role = "admin", check = first, check = second)]
async fn in_order(_: Noted, asked: Data<&Asked>) {
    asked.lock().unwrap().push("handler");
}

#[test]
fn h_11_the_guard_comes_first_then_the_checks_then_the_arguments() {
    bounded(async {
        let app = TestApp::new();
        let (alice, bob) = (login(&app, "alice").await.cookies(), login(&app, "bob").await.cookies());
        let asked = Asked::default();
        let routes = Route::new().at("/", in_order).data(Arc::clone(&asked));
        let client = client(&app, Route::new().nest("/", routes));
        for (who, path, status, order) in [
            (None, "/?second=true", 401, &[][..]),
            (Some(&bob), "/?second=true", 403, &[]),
            (Some(&alice), "/?second=false", 403, &["first", "second"]),
            (Some(&alice), "/?second=maybe", 400, &["first"]),
            (Some(&alice), "/?second=true", 200, &["first", "second", "extractor", "handler"]),
        ] {
            let answered = answer(client.get(path), who.map(String::as_str)).await;
            assert_eq!(answered.status(), status, "{path} {who:?}");
            assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), order, "{path} {who:?}");
        }
    });
}

/// Says yes to strangers, so an outage that looked like one would pass.
fn stranger_or_member(member: Option<CurrentUser<Member>>, ran: Data<&Arc<AtomicUsize>>) -> bool {
    ran.fetch_add(1, Ordering::SeqCst);
    member.is_none()
}

#[require_auth(check = stranger_or_member)]
async fn strangers_only() {}

#[require_auth(optional, check = stranger_or_member)]
async fn everybody() {}

struct Block;

#[require_auth(check = stranger_or_member)]
impl Endpoint for Block {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }
}

#[test]
fn r_5_an_outage_in_a_check_is_no_verdict() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        for (finds, expected) in [(Finds::Outage, 503), (Finds::Member, 403), (Finds::Nobody, 200)] {
            let ran = Arc::new(AtomicUsize::new(0));
            let routes =
                Route::new().at("/strangers", strangers_only).at("/everybody", everybody).at("/block", Block);
            let routes = routes.data(Members::new(finds)).data(Arc::clone(&ran));
            let client = client(&app, Route::new().nest("/", routes));
            for path in ["/strangers", "/everybody", "/block"] {
                let answered = answer(client.get(path), Some(&bob)).await;
                assert_eq!(answered.status(), expected, "{path}");
            }
            let want = if finds == Finds::Outage { 0 } else { 3 };
            assert_eq!(ran.load(Ordering::SeqCst), want, "nobody asks a check about an outage");
        }
    });
}

fn takes_text(_: String) -> bool {
    true
}

fn takes_json(_: &Identity, _: Json<String>) -> Result<()> {
    Ok(())
}

/// poem's `Option` turns the error of a body that is not there into `None`.
fn takes_text_if_any(body: Option<String>) -> bool {
    body.is_none_or(|body| body.is_empty())
}

async fn takes_result(body: Result<Json<String>>) -> bool {
    ready(body.is_err()).await
}

#[require_auth(check = takes_text)]
async fn body_as_text(_: String) {}

#[require_auth(check = takes_json)]
async fn body_as_json(_: String) {}

#[require_auth(check = takes_text_if_any)]
async fn body_if_any(_: String) {}

#[require_auth(check = takes_result)]
async fn body_as_result(_: String) {}

#[test]
fn h_11_a_check_that_takes_the_body_is_an_error_and_no_pass() {
    logged(async |log| {
        let app = TestApp::new();
        let bob = login(&app, "bob").await.cookies();
        let routes = Route::new()
            .at("/text", body_as_text)
            .at("/json", body_as_json)
            .at("/option", body_if_any)
            .at("/result", body_as_result);
        let client = client(&app, routes);
        for (path, named) in [
            ("/text", "alloc::string::String"),
            ("/json", "poem::web::json::Json<alloc::string::String>"),
            ("/option", "core::option::Option<alloc::string::String>"),
            ("/result", "core::result::Result<poem::web::json::Json<alloc::string::String>"),
        ] {
            let before = log.text().len();
            let sent = client.post(path).content_type("application/json").body("\"hello\"");
            let answered = answer(sent, Some(&bob)).await;
            assert_eq!(answered.status(), 500, "{path}");
            let log = log.text().split_off(before);
            let line =
                log.lines().find(|line| line.contains("ERROR")).unwrap_or_else(|| panic!("{path}: {log}"));
            assert!(line.contains("a `check` takes") && line.contains(named), "{path}: {line}");
            assert!(line.contains("reads the body") && line.contains("so decide there"), "{path}: {line}");
            assert_eq!(code(answered).await, "server_error", "{path}");
        }
    });
}
