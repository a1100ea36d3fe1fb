//! Users who are not active: by a field of the derive, and by an `AuthUser` written by hand.

use std::sync::atomic::AtomicBool;

use jwtauth::Auth;
use jwtauth::error::SessionError;
use serde::{Deserialize, Serialize};

use super::*;

/// Kept in the session.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Kept {
    #[auth(id)]
    name: String,
    #[auth(active)]
    active: bool,
}

/// Looked up on each request.
#[derive(Clone)]
struct Loaded {
    name: String,
    active: bool,
}

#[derive(Clone, Default)]
struct Active(Arc<AtomicBool>);

impl AuthUser for Loaded {
    type Store = Active;

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn is_active(&self) -> bool {
        self.active
    }

    async fn load(active: &Active, who: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self { name: who.subject().to_owned(), active: active.0.load(Ordering::SeqCst) }))
    }
}

#[handler]
async fn login_kept(auth: Auth, Json((name, active)): Json<(String, bool)>) -> Result<()> {
    Ok(auth.login(&Kept { name, active }).await.map(drop)?)
}

#[handler]
async fn login_loaded(auth: Auth, Json((name, active)): Json<(String, bool)>) -> Result<()> {
    Ok(auth.login(&Loaded { name, active }).await.map(drop)?)
}

#[require_auth]
async fn kept(user: Kept) -> String {
    user.name
}

#[require_auth]
async fn loaded(CurrentUser(user): CurrentUser<Loaded>) -> String {
    user.name
}

#[require_auth(redirect = "/login")]
async fn loaded_page(_: CurrentUser<Loaded>) {}

#[require_auth(optional)]
async fn maybe_loaded(user: Option<CurrentUser<Loaded>>) -> String {
    user.map_or("nobody".into(), |user| user.name.clone())
}

fn is_loaded(_: CurrentUser<Loaded>) -> bool {
    true
}

#[require_auth(check = is_loaded)]
async fn checked() {}

fn routes(active: &Active) -> Route {
    let routes = Route::new()
        .at("/login/kept", post(login_kept))
        .at("/login/loaded", post(login_loaded))
        .at("/kept", get(kept))
        .at("/loaded", get(loaded))
        .at("/page", get(loaded_page))
        .at("/maybe", get(maybe_loaded))
        .at("/checked", get(checked));
    Route::new().nest("/", routes.data(active.clone()))
}

async fn log_in<E: Endpoint>(client: &TestClient<E>, path: &str, active: bool) -> Response {
    answer(client.post(path).body_json(&("carol", active)), None).await
}

#[test]
fn s_16_an_inactive_user_is_refused_as_if_there_were_none() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app, routes(&Active::default()));
        let wrong = serde_json::json!({"username": "carol", "password": "wrong"});
        let wrong = TestClient::new(app.endpoint()).post("/login").body_json(&wrong).send().await.0;
        let (status, headers) = (wrong.status(), format!("{:?}", wrong.headers()));
        let body = text(wrong).await;
        assert!(body.contains("\"invalid_credentials\""), "{body}");
        for path in ["/login/kept", "/login/loaded"] {
            let inactive = log_in(&client, path, false).await;
            assert_eq!((inactive.status(), format!("{:?}", inactive.headers())), (status, headers.clone()));
            assert_eq!(text(inactive).await, body, "{path}: nobody learns that there is an account");
            assert_eq!(log_in(&client, path, true).await.status(), 200, "{path}");
        }
        assert_eq!(app.jwtauth.sessions().list("carol").await.unwrap().len(), 2, "those of the active one");
    });
}

#[test]
fn s_11_a_user_who_is_not_active_any_more_is_refused_as_an_argument() {
    bounded(async {
        let app = TestApp::new();
        let active = Active::default();
        let client = client(&app, routes(&active));
        let carol = Tokens::of(log_in(&client, "/login/loaded", true).await.headers());
        for is_active in [true, false] {
            active.0.store(is_active, Ordering::SeqCst);
            for path in ["/loaded", "/page", "/checked"] {
                let answered = answer(client.get(path), Some(&carol.cookies())).await;
                assert_eq!(answered.status(), if is_active { 200 } else { 401 }, "{path}");
                let deleted = set_cookies(answered.headers());
                assert_eq!(deleted.len(), if is_active { 0 } else { 2 }, "{path}");
                assert!(deleted.iter().all(|line| line.contains("=; Path=/; Max-Age=0;")), "{deleted:?}");
                if !is_active {
                    let challenge = &answered.headers()[header::WWW_AUTHENTICATE];
                    assert_eq!(challenge, r#"Bearer realm="api", error="invalid_token""#);
                    assert_eq!(code(answered).await, "user_inactive", "{path}");
                }
            }
        }
        // A bearer client has no cookies to lose, and a page is one that a login may mend.
        let bearer = client.get("/loaded").header(header::AUTHORIZATION, carol.bearer());
        assert_eq!(set_cookies(answer(bearer, None).await.headers()), Vec::<String>::new());
        let page = client.get("/page").header("sec-fetch-mode", "navigate");
        assert_eq!(answer(page, Some(&carol.cookies())).await.status(), 303);
        let nobody = answer(client.get("/maybe"), Some(&carol.cookies())).await;
        assert_eq!(text(nobody).await, "nobody");
    });
}

#[test]
fn s_11_update_user_ends_all_sessions_of_a_user_who_is_not_active() {
    bounded(async {
        let app = TestApp::new();
        let client = client(&app, routes(&Active::default()));
        let sessions = app.jwtauth.sessions();
        for by_hand in [false, true] {
            let mut devices = Vec::new();
            for _ in 0..3 {
                devices.push(Tokens::of(log_in(&client, "/login/kept", true).await.headers()));
            }
            let name = "carol".to_owned();
            sessions.update_user(&Kept { name: name.clone(), active: true }).await.unwrap();
            assert_eq!(sessions.list("carol").await.unwrap().len(), 3);
            match by_hand {
                false => sessions.update_user(&Kept { name, active: false }).await.map(drop).unwrap(),
                true => sessions.update_user(&Loaded { name, active: false }).await.map(drop).unwrap(),
            }
            assert_eq!(sessions.list("carol").await.unwrap().len(), 0);
            for device in &devices {
                for cookies in [device.cookies(), device.only_refresh()] {
                    let answered = answer(client.get("/kept"), Some(&cookies)).await;
                    assert_eq!(answered.status(), 401);
                    assert_eq!(set_cookies(answered.headers()).len(), 2, "deleted: the session is over");
                }
            }
        }
        let refused = sessions.update_user(&Kept { name: String::new(), active: true }).await;
        assert!(matches!(refused, Ok(0) | Err(SessionError::Subject { .. })), "{refused:?}");
    });
}
