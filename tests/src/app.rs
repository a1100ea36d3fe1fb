//! An app whose clock stands still, with a handler for each way to ask who is calling.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jwtauth::clock::ManualClock;
use jwtauth::store::SessionStore;
use jwtauth::{
    Auth, AuthUser, CurrentUser, Identity, JwtAuth, JwtAuthBuilder, MaybeUser, Rejection, StorageConfig,
    require_auth,
};
use poem::endpoint::BoxEndpoint;
use poem::web::{Data, Json};
use poem::{Endpoint, EndpointExt, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::test_store::TestStore;

/// When the clock of every test starts, in Unix seconds.
pub const START: u64 = 1_800_000_000;

/// A signing secret that is no secret.
pub const SECRET: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";

/// The user of the tests: anyone, with any password but `wrong`. Admins have a name that starts with `a`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, AuthUser)]
pub struct User {
    /// The subject.
    #[auth(id)]
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
}

impl User {
    /// Makes up a user.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let roles = if name.starts_with('a') { vec!["admin".into()] } else { Vec::new() };
        Self { name: name.into(), roles }
    }
}

/// Switches the registry of tokens on.
pub fn with_registry(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.storage(StorageConfig::default().token_registry())
}

/// A login form.
#[derive(Debug, Deserialize)]
pub struct Credentials {
    username: String,
    password: String,
}

#[handler]
async fn login(auth: Auth, Json(form): Json<Credentials>) -> Result<Json<User>> {
    if form.password == "wrong" {
        return Err(Rejection::InvalidCredentials.into());
    }
    let user = User::named(&form.username);
    auth.login(&user).await?;
    Ok(Json(user))
}

#[handler]
async fn login_then_fail(auth: Auth, Json(form): Json<Credentials>) -> Result<()> {
    auth.login(&User::named(&form.username)).await?;
    Err(poem::Error::from_string("after the login", poem::http::StatusCode::IM_A_TEAPOT))
}

#[handler]
async fn refresh(auth: Auth) -> Result<()> {
    auth.refresh().await.map(drop)
}

#[handler]
async fn logout(auth: Auth) -> Result<()> {
    Ok(auth.logout().await?)
}

#[handler]
async fn logout_all(auth: Auth) -> Result<String> {
    Ok(auth.logout_all().await?.to_string())
}

#[handler]
async fn logout_others(auth: Auth) -> Result<String> {
    Ok(auth.logout_others().await?.to_string())
}

#[handler]
async fn whoami(auth: Auth) -> Result<String> {
    Ok(auth.session().await?.map_or("nobody".into(), |session| session.subject))
}

#[handler]
async fn identity(MaybeUser(who): MaybeUser) -> String {
    who.map_or("nobody".into(), |who| who.subject().to_owned())
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

#[require_auth]
async fn change(user: User, Json(body): Json<String>) -> String {
    format!("{} {body}", user.name)
}

#[require_auth(role = "admin")]
async fn admin(who: &Identity) -> String {
    who.subject().to_owned()
}

#[require_auth(optional)]
async fn hello(user: Option<User>) -> String {
    user.map_or("nobody".into(), |user| user.name)
}

#[handler]
async fn plain(user: CurrentUser<User>) -> String {
    user.name.clone()
}

/// Lets slow handlers go, one for each permit.
pub type Gate = Arc<Semaphore>;

/// Counts the slow handlers that have started.
pub type Started = Arc<AtomicUsize>;

#[require_auth]
async fn slow(user: User, Data(gate): Data<&Gate>, Data(started): Data<&Started>) -> Json<User> {
    started.fetch_add(1, Ordering::SeqCst);
    gate.acquire().await.expect("the gate is never closed").forget();
    Json(user)
}

#[handler]
fn open() -> &'static str {
    "open"
}

/// An app, its clock, and what it is made of.
pub struct TestApp {
    /// Everything is decided by it.
    pub clock: ManualClock,
    /// The middleware around the app.
    pub jwtauth: JwtAuth,
    /// Holds up `/slow`.
    pub gate: Gate,
    /// How many requests have come to `/slow`.
    pub started: Started,
}

impl std::fmt::Debug for TestApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestApp").finish_non_exhaustive()
    }
}

impl TestApp {
    /// Makes one with a store of its own and the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with(TestStore::new(), |builder| builder)
    }

    /// Makes one with another store or other settings.
    ///
    /// # Panics
    ///
    /// If a setting is refused.
    #[must_use]
    pub fn with(store: impl SessionStore, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        Self::starting_at(START, store, set)
    }

    /// Likewise, with a clock that shows another time at the start. Its tasks may look at the clock at once.
    ///
    /// # Panics
    ///
    /// If a setting is refused.
    #[must_use]
    pub fn starting_at(
        now: u64,
        store: impl SessionStore,
        set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder,
    ) -> Self {
        let clock = ManualClock::at(now);
        let builder = JwtAuth::builder().secret(SECRET).clock(clock.clone());
        let jwtauth = set(builder).build(store).expect("good settings");
        Self { clock, jwtauth, gate: Arc::new(Semaphore::new(0)), started: Started::default() }
    }

    /// Returns the app as an endpoint.
    #[must_use]
    pub fn endpoint(&self) -> BoxEndpoint<'static, poem::Response> {
        self.routes().with(self.jwtauth.clone()).boxed()
    }

    fn routes(&self) -> impl Endpoint + use<> {
        Route::new()
            .at("/login", post(login))
            .at("/login-then-fail", post(login_then_fail))
            .at("/refresh", post(refresh))
            .at("/logout", post(logout))
            .at("/logout/all", post(logout_all))
            .at("/logout/others", post(logout_others))
            .at("/who", get(whoami).post(whoami))
            .at("/identity", get(identity))
            .at("/me", get(me))
            .at("/change", post(change))
            .at("/admin", get(admin).post(admin))
            .at("/hello", get(hello).post(hello))
            .at("/plain", get(plain).post(plain))
            .at("/slow", get(slow))
            .at("/open", get(open))
            .data(Arc::clone(&self.gate))
            .data(Arc::clone(&self.started))
    }
}

impl Default for TestApp {
    fn default() -> Self {
        Self::new()
    }
}
