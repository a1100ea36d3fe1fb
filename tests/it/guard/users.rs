//! A user type with a store of its own: gone, out of reach, and loaded once.

use jwtauth::Device;
use serde::{Deserialize, Serialize};
use tests::wire::claims;

use super::access::greet;
use super::shapes::{above_sync_handler, arguments};
use super::*;

/// A user that is looked up on each request.
#[derive(Clone)]
pub(super) struct Member {
    name: String,
}

/// What the next lookups find.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Finds {
    Member,
    Nobody,
    Outage,
}

#[derive(Clone)]
pub(super) struct Members(Arc<(AtomicUsize, Mutex<Finds>)>);

impl Members {
    pub(super) fn new(finds: Finds) -> Self {
        Self(Arc::new((AtomicUsize::new(0), Mutex::new(finds))))
    }

    fn loads(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }
}

impl AuthUser for Member {
    type Store = Members;

    fn subject(&self) -> String {
        self.name.clone()
    }

    async fn load(members: &Members, who: &Identity) -> Result<Option<Self>, BoxError> {
        members.0.0.fetch_add(1, Ordering::SeqCst);
        let finds = *members.0.1.lock().expect("nobody panics");
        match finds {
            Finds::Member => Ok(Some(Self { name: who.subject().to_owned() })),
            Finds::Nobody => Ok(None),
            Finds::Outage => Err("the database said: no route to db.internal".into()),
        }
    }
}

#[require_auth]
async fn show_member(member: CurrentUser<Member>) -> String {
    member.name.clone()
}

#[require_auth(optional)]
async fn maybe_member(member: Option<CurrentUser<Member>>) -> String {
    member.map_or("nobody".into(), |member| member.name.clone())
}

#[require_auth(optional)]
#[handler]
async fn maybe_member_above_handler(
    member: Option<CurrentUser<Member>>,
    Data(ran): Data<&Arc<AtomicUsize>>,
) -> String {
    ran.fetch_add(1, Ordering::SeqCst);
    member.map_or("nobody".into(), |member| member.name.clone())
}

/// Two types of one request: the copy in the session, and one that is looked up.
#[require_auth(optional)]
async fn copy_then_member(user: Option<User>, _: Option<CurrentUser<Member>>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[require_auth(optional)]
async fn member_then_copy(_: Option<CurrentUser<Member>>, user: Option<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

/// Another type that is looked up, and finds everybody.
#[derive(Clone)]
struct Regular(String);

impl AuthUser for Regular {
    type Store = ();

    fn subject(&self) -> String {
        self.0.clone()
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self(who.subject().to_owned())))
    }
}

#[require_auth(optional)]
async fn member_then_regular(_: Option<CurrentUser<Member>>, user: Option<CurrentUser<Regular>>) -> String {
    user.map_or("nobody".into(), |user| user.0.0)
}

#[require_auth]
async fn member_twice(
    member: CurrentUser<Member>,
    again: Result<CurrentUser<Member>>,
    copy: User,
    who: &Identity,
    _: &Session,
) -> String {
    assert_eq!(again.expect("found before").name, copy.name);
    format!("{} {}", member.name, who.subject())
}

fn members(store: Option<&Members>, ran: &Arc<AtomicUsize>) -> Route {
    let routes = Route::new()
        .at("/member", get(show_member))
        .at("/maybe", get(maybe_member))
        .at("/maybe/above", get(maybe_member_above_handler))
        .at("/copy-first", get(copy_then_member))
        .at("/copy-last", get(member_then_copy))
        .at("/regular", get(member_then_regular))
        .at("/twice", get(member_twice));
    let routes = match store {
        Some(store) => routes.data(store.clone()).boxed(),
        None => routes.boxed(),
    };
    Route::new().nest("/", routes.data(Arc::clone(ran)))
}

/// Logs in a user of the type that is looked up.
pub(super) async fn login_member(app: &TestApp) -> Tokens {
    let member = Member { name: "bob".into() };
    let tokens = app.jwtauth.sessions().login(&member, Device::default()).await.unwrap();
    let refresh = tokens.refresh().expect("it has one");
    Tokens { access: tokens.access().to_owned(), refresh: refresh.to_owned() }
}

/// That one type finds nobody is no proof that the user is gone: the session was opened for another one.
#[test]
fn n_9_a_type_that_finds_nobody_takes_no_cookies_of_another_type() {
    bounded(async {
        let app = TestApp::new();
        let (copy, member) = (login(&app, "bob").await, login_member(&app).await);
        let client = client(&app, members(Some(&Members::new(Finds::Nobody)), &Arc::default()));
        for (path, tokens, said) in [
            ("/copy-first", &copy, "bob"),
            ("/copy-last", &copy, "bob"),
            ("/maybe", &copy, "nobody"),
            // Found by another type, after it was not.
            ("/regular", &member, "bob"),
        ] {
            // Twice: from the second time on the copy is not read again.
            for _ in 0..2 {
                let answered = answer(client.get(path), Some(&tokens.cookies())).await;
                assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "{path}");
                assert_eq!(text(answered).await, said, "{path}");
            }
        }
        let gone = answer(client.get("/member"), Some(&copy.cookies())).await;
        assert_eq!((gone.status().as_u16(), set_cookies(gone.headers())), (401, Vec::new()));
        let gone = answer(client.get("/maybe"), Some(&member.cookies())).await;
        assert_eq!(set_cookies(gone.headers()).len(), 2, "nobody else has found the user");
        // New cookies that came with the request stay too.
        let answered = answer(client.get("/regular"), Some(&member.only_refresh())).await;
        assert!(!Tokens::of(answered.headers()).access.is_empty());
    });
}

#[test]
fn a_user_who_is_gone_is_refused_and_loses_the_cookies() {
    bounded(async {
        let app = TestApp::new();
        let bob = login_member(&app).await;
        let client = client(&app, members(Some(&Members::new(Finds::Nobody)), &Arc::default()));
        let gone = answer(client.get("/member"), Some(&bob.cookies())).await;
        assert_eq!(gone.status(), 401);
        let deleted = set_cookies(gone.headers());
        assert_eq!(deleted.len(), 2, "{deleted:?}");
        assert!(deleted.iter().all(|line| line.contains("=; Path=/; Max-Age=0;")), "{deleted:?}");
        assert_eq!(code(gone).await, "user_not_found");
        // A bearer client has no cookies to lose.
        let bearer = client.get("/member").header(header::AUTHORIZATION, bob.bearer());
        let gone = answer(bearer, None).await;
        assert_eq!(set_cookies(gone.headers()), Vec::<String>::new());
        assert_eq!(code(gone).await, "user_not_found");
        // Where a login is optional the user is nobody.
        let nobody = answer(client.get("/maybe"), Some(&bob.cookies())).await;
        assert_eq!(text(nobody).await, "nobody");
    });
}

#[test]
fn r_5_an_outage_never_passes_for_nobody() {
    logged(async |log| {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let ran = Arc::new(AtomicUsize::new(0));
        let client = client(&app, members(Some(&Members::new(Finds::Outage)), &ran));
        for path in ["/member", "/maybe", "/maybe/above", "/twice"] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), 503, "{path}");
            assert!(answered.headers().contains_key(header::RETRY_AFTER), "{path}");
            assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "{path}");
            let body = text(answered).await;
            assert!(body.contains("\"store_unavailable\"") && !body.contains("db.internal"), "{body}");
        }
        assert_eq!(ran.load(Ordering::SeqCst), 0, "a handler ran for nobody");
        assert!(log.text().contains("no route to db.internal"), "{}", log.text());
    });
}

/// The session store failing is an outage too, for every kind of argument.
#[test]
fn r_5_a_session_store_that_fails_never_passes_for_nobody() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let routes = arguments().at("/greet", get(greet)).at("/above", get(above_sync_handler));
        let client = client(&app, routes);
        store.set(Fault::Error, Fault::Error);
        for path in ["/every", "/option", "/greet", "/above", "/plain/user", "/plain/identity"] {
            for cookies in [bob.cookies(), bob.only_refresh()] {
                let answered = answer(client.get(path), Some(&cookies)).await;
                assert_eq!(answered.status(), 503, "{path}");
                assert_eq!(set_cookies(answered.headers()), Vec::<String>::new(), "{path}");
                assert_eq!(code(answered).await, "store_unavailable", "{path}");
            }
        }
        store.set(Fault::None, Fault::None);
        assert_eq!(answer(client.get("/every"), Some(&bob.cookies())).await.status(), 200);
    });
}

#[test]
fn a_missing_user_store_is_an_error_that_names_both_types() {
    logged(async |log| {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, members(None, &Arc::default()));
        for path in ["/member", "/maybe"] {
            let answered = answer(client.get(path), Some(&bob.cookies())).await;
            assert_eq!(answered.status(), 500, "{path}");
            let body = text(answered).await;
            assert!(!body.contains("Member") && body.contains("server_error"), "{body}");
        }
        let text = log.text();
        let line = text.lines().find(|line| line.contains("ERROR")).expect("an error is logged");
        for part in
            ["jwtauth", "`CurrentUser<it::guard::users::Member>`", "`it::guard::users::Members`", ".data(..)"]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
    });
}

#[test]
fn a_token_is_verified_once_and_a_user_loaded_once() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let found = Members::new(Finds::Member);
        let client = client(&app, members(Some(&found), &Arc::default()));
        let before = store.loads();
        let answered = answer(client.get("/twice"), Some(&bob.cookies())).await;
        assert_eq!(text(answered).await, "bob bob");
        assert_eq!(store.loads() - before, 1, "sessions loaded");
        assert_eq!(found.loads(), 1, "users loaded");
        answer(client.get("/twice"), Some(&bob.cookies())).await;
        assert_eq!((store.loads() - before, found.loads()), (2, 2), "nothing is kept for the next request");
    });
}

/// A middleware around the app and the same one around a part of it are one.
#[test]
fn a_token_is_verified_once_behind_two_layers_of_one_middleware() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let bob = login(&app, "bob").await;
        let part = arguments().with(app.jwtauth.clone()).around(|next, request| async move {
            next.call(asked(request).await?).await.map(IntoResponse::into_response)
        });
        let client = client(&app, Route::new().nest("/", part));
        let before = store.loads();
        let answered = answer(client.get("/every"), Some(&bob.cookies())).await;
        assert_eq!(answered.status(), 200);
        assert_eq!(store.loads() - before, 1);
        // A rotation happens once, and its cookies are set once.
        let rotated = answer(client.get("/every"), Some(&bob.only_refresh())).await;
        let tokens = Tokens::of(rotated.headers());
        assert_eq!(answer(client.get("/every"), Some(&tokens.cookies())).await.status(), 200);
    });
}

/// S89, S91: a session is ended though its user is gone, and stays so when the user is back.
#[test]
fn s_89_s_91_a_revocation_needs_no_user_and_outlives_one() {
    bounded(async {
        let app = TestApp::new();
        let (bob, other) = (login(&app, "bob").await, login(&app, "bob").await);
        let found = Members::new(Finds::Nobody);
        let client = client(&app, members(Some(&found), &Arc::default()));
        assert!(app.jwtauth.sessions().revoke(bob.session()).await.unwrap());
        *found.0.1.lock().unwrap() = Finds::Member;
        for cookies in [bob.cookies(), bob.only_refresh()] {
            assert_eq!(code(answer(client.get("/member"), Some(&cookies)).await).await, "token_not_valid");
        }
        assert_eq!(text(answer(client.get("/member"), Some(&other.cookies())).await).await, "bob");
    });
}

/// S18: an id that is a number is the text of that number in a token.
#[test]
fn s_18_an_id_becomes_text() {
    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    struct Numbered {
        id: u64,
    }
    bounded(async {
        let app = TestApp::new();
        let tokens = app.jwtauth.sessions().login(&Numbered { id: 42 }, Device::default()).await.unwrap();
        for token in [tokens.access(), tokens.refresh().unwrap()] {
            assert_eq!(claims(token)["sub"], "42");
        }
    });
}

/// S51: the subject is text, and the application's own type of id comes back from it.
#[test]
fn s_51_an_id_comes_back_as_it_was() {
    #[require_auth]
    async fn number(who: &Identity) -> String {
        match who.parse_subject::<u64>() {
            Ok(id) => (id + 1).to_string(),
            Err(_) => "no number".into(),
        }
    }
    bounded(async {
        let app = TestApp::new();
        let client = client(&app, Route::new().at("/", get(number)));
        for (name, said) in [("41", "42"), ("bob", "no number")] {
            let tokens = login(&app, name).await;
            assert_eq!(text(answer(client.get("/"), Some(&tokens.cookies())).await).await, said);
        }
    });
}
