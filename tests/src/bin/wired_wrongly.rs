//! A program that is set up wrongly, for tests of what it says of that without a subscriber of `tracing`.
//!
//! `wired_wrongly MISTAKE` sends itself each request twice. `listening` before the mistake subscribes for
//! errors on standard output, and `deaf` subscribes for the application's own lines only.

use std::env;

use jwtauth::error::BoxError;
use jwtauth::{
    Auth, AuthUser, CurrentUser, Identity, JwtAuth, MemoryStore, RequireAuth, require_auth, testing,
};
use poem::test::TestClient;
use poem::{EndpointExt, Route, get, handler};
use tracing_subscriber::EnvFilter;

/// A user from a store that the application has to add.
#[derive(Clone)]
struct Member(String);

#[derive(Clone)]
struct Members;

impl AuthUser for Member {
    type Store = Members;

    fn subject(&self) -> String {
        self.0.clone()
    }

    async fn load(_: &Members, who: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self(who.subject().to_owned())))
    }
}

#[require_auth]
async fn guarded() {}

#[require_auth]
async fn guarded_too() {}

#[require_auth]
async fn loaded(_member: CurrentUser<Member>) {}

#[handler]
async fn auth(_auth: Auth) {}

#[handler]
async fn plain() {}

async fn body(_: String) -> bool {
    true
}

#[require_auth(check = body)]
async fn checked() {}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let subscribe =
        |filter| tracing_subscriber::fmt().with_ansi(false).with_env_filter(EnvFilter::new(filter)).init();
    let mistake = match arguments[..] {
        ["listening", mistake] => {
            subscribe("error");
            mistake
        }
        ["deaf", mistake] => {
            subscribe("wired_wrongly=info");
            mistake
        }
        [mistake] => mistake,
        _ => panic!("one mistake"),
    };
    let jwtauth = JwtAuth::builder().secret(tests::app::SECRET).deny_by_default(RequireAuth::new());
    let jwtauth = jwtauth.build(MemoryStore::new()).expect("good settings");
    let routes = Route::new()
        .at("/guarded", get(guarded))
        .at("/guarded-too", get(guarded_too))
        .at("/auth", get(auth))
        .at("/loaded", get(loaded))
        .at("/checked", get(checked))
        .at("/plain", get(plain));
    let login = testing::login(&jwtauth, &Member("alice".into())).await;
    let (app, paths) = match mistake {
        "none" => {
            (routes.data(Members).with(jwtauth).boxed(), &["/guarded", "/loaded", "/auth", "/plain"][..])
        }
        "no-middleware" => (routes.map_to_response().boxed(), &["/guarded", "/guarded-too", "/auth"][..]),
        "as-data" => (routes.data(jwtauth).map_to_response().boxed(), &["/guarded", "/guarded-too"][..]),
        "plain-as-data" => (routes.data(jwtauth).map_to_response().boxed(), &["/plain"][..]),
        "no-data" => (routes.with(jwtauth).boxed(), &["/loaded"][..]),
        "check" => (routes.with(jwtauth).boxed(), &["/checked"][..]),
        other => panic!("no mistake: {other}"),
    };
    let client = TestClient::new(app);
    for path in [paths, paths].concat() {
        let request = client.get(path).header("authorization", login.bearer());
        println!("{path}: {}", request.send().await.0.status());
    }
}
