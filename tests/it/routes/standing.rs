//! Users who are gone or not active get no new tokens, whichever way they ask.

use std::sync::{Arc, Mutex};

use jwtauth::error::{BoxError, SessionError};
use jwtauth::store::SubjectRevocation;
use jwtauth::store::{AccountStore, SessionStore as _};
use jwtauth::{
    AccountsConfig, Auth, AuthUser, Identity, JwtAuthBuilder, RevocationReason, SledStore, TokenSource,
    Tokens as Pair,
};
use poem::post;
use serde::{Deserialize, Serialize};

use super::*;
use tests::test_store::TestStore;

/// What the application knows of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    Active,
    Inactive,
    Gone,
    Outage,
}

type Table = Arc<Mutex<Found>>;

fn look_up(table: &Table) -> Result<Option<Member>, BoxError> {
    match *table.lock().unwrap() {
        Found::Active => Ok(Some(Member { active: true })),
        Found::Inactive => Ok(Some(Member { active: false })),
        Found::Gone => Ok(None),
        Found::Outage => Err("no route to db.internal".into()),
    }
}

/// Loaded by hand.
#[derive(Clone)]
struct Member {
    active: bool,
}

impl AuthUser for Member {
    type Store = Table;

    fn subject(&self) -> String {
        "bob".into()
    }

    fn is_active(&self) -> bool {
        self.active
    }

    async fn load(table: &Table, who: &Identity) -> Result<Option<Self>, BoxError> {
        assert_eq!((who.subject(), who.token_source()), ("bob", TokenSource::Refresh));
        assert!(who.session().is_some());
        look_up(table)
    }
}

/// Kept in the session.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Copied {
    #[auth(id)]
    name: String,
    active: bool,
}

fn by_hand(table: &Table) -> impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder + use<> {
    let table = Arc::clone(table);
    |builder| {
        builder.before_refresh(move |who| {
            let table = Arc::clone(&table);
            async move { Member::load(&table, &who).await }
        })
    }
}

#[handler]
async fn refresh_by_hand(auth: Auth) -> poem::Result<()> {
    auth.refresh().await.map(drop)
}

/// A client of one kind, with the tokens that it was given.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Body,
    Cookies,
    Handler,
    Silent,
    Sliding,
}

const KINDS: [Kind; 5] = [Kind::Body, Kind::Cookies, Kind::Handler, Kind::Silent, Kind::Sliding];

async fn log_in(app: &TestApp, kind: Kind) -> Pair {
    let (sessions, bob) = (app.jwtauth.sessions(), User::named("bob"));
    match kind {
        Kind::Sliding => sessions.login_sliding(&bob, Device::default()).await.unwrap(),
        _ => sessions.login(&bob, Device::default()).await.unwrap(),
    }
}

/// Asks for the next tokens. Returns status, headers and body.
async fn next(app: &TestApp, kind: Kind, tokens: &Pair) -> (u16, HeaderMap, Value) {
    let routes = || app.jwtauth.routes(authenticate);
    let (auth, path, body) = match kind {
        Kind::Body => (routes().body_tokens(), "/auth/refresh", json!({ "refresh": tokens.refresh() })),
        Kind::Cookies => (routes(), "/auth/refresh", Value::Null),
        Kind::Handler => (routes(), "/refresh", Value::Null),
        Kind::Silent => (routes(), "/me", Value::Null),
        Kind::Sliding => (routes().sliding_tokens(), "/auth/refresh", json!({ "token": tokens.access() })),
    };
    let all = Route::new().at("/me", get(me)).at("/refresh", post(refresh_by_hand)).nest("/auth", auth);
    let client = TestClient::new(all.with(app.jwtauth.clone()));
    let cookie = format!("__Host-refresh_token={}", tokens.refresh().unwrap_or_default());
    let headers = [("cookie", &*cookie)];
    let method = if kind == Kind::Silent { Method::GET } else { Method::POST };
    ask(&client, method, path, if body.is_null() { &headers } else { &[] }, body).await
}

#[test]
fn n_27_a_user_who_is_gone_or_not_active_gets_no_new_tokens() {
    logged(async |log| {
        let table = Table::new(Mutex::new(Found::Active));
        let app = TestApp::with(TestStore::new(), by_hand(&table));
        for kind in KINDS {
            let tokens = log_in(&app, kind).await;
            for (found, status, code) in [
                (Found::Gone, 401, "user_not_found"),
                (Found::Inactive, 401, "user_inactive"),
                (Found::Outage, 503, "store_unavailable"),
            ] {
                *table.lock().unwrap() = found;
                let (got, headers, body) = next(&app, kind, &tokens).await;
                assert_eq!((got, &body["code"]), (status, &json!(code)), "{kind:?} {found:?}: {body}");
                let in_cookies = !matches!(kind, Kind::Body | Kind::Sliding) && status == 401;
                let cookies = set_cookies(&headers);
                assert_eq!(cookies.len(), if in_cookies { 2 } else { 0 }, "{kind:?} {found:?}: {cookies:?}");
                assert!(cookies.iter().all(|line| line.contains("Max-Age=0")), "{cookies:?}");
            }
            // Nothing was spent, and nothing has ended.
            *table.lock().unwrap() = Found::Active;
            assert_eq!(next(&app, kind, &tokens).await.0, 200, "{kind:?}");
            assert_eq!(app.jwtauth.sessions().revoke_all("bob").await.unwrap(), 1);
            assert_eq!(next(&app, kind, &tokens).await.2["code"], "token_not_valid", "{kind:?}");
        }
        let text = log.text();
        assert!(text.contains("no route to db.internal") && text.contains("refresh_refused"), "{text}");
    });
}

#[test]
fn n_27_a_hook_that_hangs_is_an_outage_and_spends_nothing() {
    tests::in_no_time(|| async {
        let hangs = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let shared = Arc::clone(&hangs);
        let app = TestApp::with(TestStore::new(), move |builder| {
            builder.before_refresh(move |_| {
                let hangs = shared.load(std::sync::atomic::Ordering::SeqCst);
                async move {
                    if hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok(Some(User::named("bob")))
                }
            })
        });
        let tokens = log_in(&app, Kind::Body).await;
        assert_eq!(next(&app, Kind::Body, &tokens).await.0, 503);
        hangs.store(false, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(next(&app, Kind::Body, &tokens).await.0, 200);
    });
}

/// Each hook is asked about its own kind of user, and one that knows the user is enough.
#[test]
fn n_27_a_hook_is_asked_about_its_own_kind_of_user() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            let builder = builder.before_refresh(async |_| Ok(None::<Copied>));
            builder.before_refresh(async |who: Identity| {
                assert_eq!(who.session().unwrap().user_kind.as_deref(), Some("User"));
                Ok(Some(User::named(who.subject())))
            })
        });
        let bob = log_in(&app, Kind::Body).await;
        assert_eq!(next(&app, Kind::Body, &bob).await.0, 200);
        let carl = Copied { name: "carl".into(), active: true };
        let carl = app.jwtauth.sessions().login(&carl, Device::default()).await.unwrap();
        assert_eq!(next(&app, Kind::Body, &carl).await.2["code"], "user_not_found");
        // A type of its own without a kind speaks for everybody.
        let table = Table::new(Mutex::new(Found::Active));
        let app = TestApp::with(TestStore::new(), |builder| {
            by_hand(&table)(builder.before_refresh(async |_| Ok(None::<User>)))
        });
        let bob = log_in(&app, Kind::Body).await;
        assert_eq!(next(&app, Kind::Body, &bob).await.0, 200, "one of two knows bob");
    });
}

/// The derive's copy is active as long as its session lives.
#[test]
fn n_27_a_copy_that_is_not_active_any_more_has_no_session() {
    bounded(async {
        let app = TestApp::new();
        let sessions = app.jwtauth.sessions();
        let carl = |active| Copied { name: "carl".into(), active };
        let refused = sessions.login(&carl(false), Device::default()).await;
        assert!(matches!(refused, Err(SessionError::Inactive)), "{refused:?}");
        let tokens = sessions.login(&carl(true), Device::default()).await.unwrap();
        sessions.update_user(&carl(false)).await.unwrap();
        assert_eq!(next(&app, Kind::Body, &tokens).await.0, 401);
    });
}

#[test]
fn n_27_accounts_are_asked_by_themselves() {
    bounded(async {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path().join("store")).await.unwrap();
        let app = TestApp::with(store.clone(), |builder| builder.accounts(AccountsConfig::default()));
        let accounts = app.jwtauth.accounts().unwrap();
        let account = accounts.register("alice", "correct horse battery").await.unwrap();
        let sessions = app.jwtauth.sessions();
        let tokens = sessions.login(&account, Device::default()).await.unwrap();
        assert_eq!(next(&app, Kind::Body, &tokens).await.0, 200);
        // Behind the back of the library, which would end the sessions too.
        let behind: Arc<dyn AccountStore> = Arc::new(store.clone()).account_store().unwrap();
        let mut stored = behind.account(account.id).await.unwrap().unwrap();
        (stored.active, stored.revision) = (false, stored.revision + 1);
        assert_eq!(behind.change_account(stored.clone(), account.revision, None).await.unwrap(), Some(0));
        assert_eq!(next(&app, Kind::Body, &tokens).await.2["code"], "user_inactive");
        let revocation = jwtauth::store::Revocation { at: 0, reason: RevocationReason::Requested };
        let keep = SubjectRevocation::all_except(tokens.session.id, revocation);
        assert!(behind.remove_account(account.id, keep).await.unwrap().is_some());
        assert_eq!(next(&app, Kind::Body, &tokens).await.2["code"], "user_not_found");
        // Sessions of the application's own type are none of theirs.
        let bob = log_in(&app, Kind::Body).await;
        assert_eq!(next(&app, Kind::Body, &bob).await.0, 200);
    });
}
