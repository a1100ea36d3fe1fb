//! Logins, sessions and protected handlers for [poem](https://docs.rs/poem), in one crate and one binary.
//!
//! ```no_run
//! use jwtauth::{Auth, AuthUser, JwtAuth, Rejection, require_auth};
//! use poem::{EndpointExt, Result, Route, Server, get, handler, listener::TcpListener, post, web::Json};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize, AuthUser)]
//! struct User {
//!     id: u64, // the subject; or mark another field #[auth(id)]
//!     name: String,
//!     roles: Vec<String>, // optional; read by #[require_auth(role = "..")]
//! }
//!
//! #[derive(Deserialize)]
//! struct Credentials {
//!     name: String,
//!     password: String,
//! }
//!
//! #[handler]
//! async fn login(auth: Auth, Json(form): Json<Credentials>) -> Result<()> {
//!     let user = find_user(form).await.ok_or(Rejection::InvalidCredentials)?;
//!     auth.login(&user).await?; // both cookies ride on the response, whatever it is
//!     Ok(())
//! }
//!
//! #[handler]
//! async fn logout(auth: Auth) -> Result<()> {
//!     Ok(auth.logout().await?)
//! }
//!
//! #[require_auth] // 401 before the body is read; the user arrives as an argument
//! async fn me(user: User) -> Json<User> {
//!     Json(user)
//! }
//!
//! #[require_auth(role = "admin")] // 403 without the role
//! async fn stats() -> &'static str {
//!     "..."
//! }
//! # async fn find_user(_: Credentials) -> Option<User> { None }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let jwtauth = JwtAuth::builder().secret_from_env("JWTAUTH_SECRET").open("data/sessions").await?;
//!     let app = Route::new()
//!         .at("/login", post(login))
//!         .at("/logout", post(logout))
//!         .at("/me", get(me))
//!         .at("/stats", get(stats))
//!         .with(jwtauth);
//!     Ok(Server::new(TcpListener::bind("127.0.0.1:3000")).run(app).await?)
//! }
//! ```
//!
//! # How it works
//!
//! - **A login opens a session**, a record in an embedded database, and hands out two signed tokens in
//!   cookies: an *access token* that lives for minutes and a *refresh token* that lives for a day.
//! - **Each request** to a guarded handler brings the access token. Signature, claims and the session's record
//!   are checked; a session that was ended is refused with the next request.
//! - **When the access token is expired**, the refresh token is spent inside the same request, and a new pair
//!   rides on the response. A spent refresh token that comes back later ends the session: two parties had it.
//! - **A connection that stays open**, such as a WebSocket or an event stream, is told when its session ends: take
//!   a [`SessionEnd`] and close it then.
//! - **Clients that are no browsers** send the access token as `Authorization: Bearer` and keep the refresh token
//!   themselves ([`Routes::body_tokens`], [`Sessions::login`]), or have one token that is both ([`Routes::sliding_tokens`]).
//! - **Who is calling** is an argument: `user: User` with the derive, [`CurrentUser`] with an [`AuthUser`]
//!   written by hand, [`&Identity`](Identity) when no user value is needed; `Option<..>` of each behind
//!   `#[require_auth(optional)]`, [`MaybeUser`] in a plain `#[handler]`.
//! - **Another service** that is to take the same access tokens puts a [`Verifier`] around its app. It has the public keys
//!   and no sessions, and the same guards.
//!
//! Settings, with their defaults and ranges, are at [`JwtAuthBuilder`]; answers to clients at [`Rejection`].
//!
//! # Features
//!
//! - `accounts`: who may log in, kept beside the sessions: registration, passwords (Argon2id), roles, and delays for those
//!   who guess. See `Accounts`.
//! - `devices` (default): browsers and systems are recognised by their `User-Agent`, for lists of sessions. Costs 12 MB,
//!   and 130 ms with the first login. Without it client hints do it where there are any.
//! - `rust_crypto` (default): signatures by the RustCrypto crates.
//! - `aws_lc_rs`: signatures by AWS-LC. With both on, this one is used.
//! - `fetch`: [`VerifierBuilder`] has `key_set_url`, which fetches the published keys of another service by itself.
//! - `metrics`: a counter `jwtauth_events_total` of the [`metrics`](https://docs.rs/metrics) crate, with the label
//!   `event`, for each [`Event`]; the table of metrics is there.
//! - `openapi`: [`require_auth`] above `#[OpenApi]` of poem-openapi 5, which guards each operation and says so
//!   in the document.
//! - `poem-session`: `PoemSessions`, and [`SledStore`] as a `poem::session::SessionStorage`, for poem's own sessions.
//! - `testing`: `testing`, to log in without a password and to find open routes, and `store::conformance`, the rules
//!   of a session store as a test suite. For `[dev-dependencies]`.
//!
//! Panics must unwind (the default): the embedded database is called under
//! [`catch_unwind`](std::panic::catch_unwind), because damaged files make it panic.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as jwtauth;

// Floor 0: the ground.
mod clock;
mod error;
mod id;
mod private_file;
mod secret;

// Floor 1: what things are.
mod claims;
mod compat;
mod config;
mod device;
mod event;
mod key;
mod record;
mod registry;
mod user;

// Floor 2: tokens and stores, which do not know each other.
pub mod store;
mod token;

// Floor 3: what happens to a session, and to an account.
#[cfg(feature = "accounts")]
mod accounts;
mod session;
mod verifier;

// Floor 4: HTTP.
mod web;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "accounts")]
pub use accounts::{Account, Accounts, AccountsConfig};
pub use clock::{Clock, ManualClock, SystemClock};
pub use compat::Compat;
pub use device::Device;
#[cfg(feature = "accounts")]
pub use error::AccountError;
pub use error::{
    BoxError, ConfigError, KeyError, OpenError, ParseIdError, RandomError, SessionError, StoreError,
    TokenError,
};
pub use event::Event;
#[cfg(feature = "accounts")]
pub use id::AccountId;
pub use id::{SessionId, TokenId};
/// Implements [`AuthUser`](trait@AuthUser) for a struct, and makes it an extractor.
///
/// The copy given to [`Auth::login`] is kept in the session as JSON, so the type must also derive `Clone`,
/// `Serialize` and `Deserialize`. Fields may be added later if they have a `#[serde(default)]`.
///
/// | field | is | or mark another one |
/// |---|---|---|
/// | `id` | the subject, by its `Display`; required | `#[auth(id)]` |
/// | `roles` | a collection of roles | `#[auth(roles)]` |
/// | `scopes` | a collection of scopes | `#[auth(scopes)]` |
/// | none by name | nothing; a field `role` or `scope` that is read by nobody must have it, or is refused | `#[auth(skip)]` |
/// | none by name | a `bool`: whether the user may be logged in ([`AuthUser::is_active`](method@AuthUser::is_active)) | `#[auth(active)]` |
///
/// ```
/// use jwtauth::AuthUser;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Serialize, Deserialize, AuthUser)]
/// struct Account {
///     #[auth(id)]
///     email: String,
///     #[auth(roles)]
///     groups: Vec<String>,
/// }
///
/// let account = Account { email: "a@example.com".into(), groups: vec!["admin".into()] };
/// assert_eq!(account.subject(), "a@example.com");
/// assert_eq!(account.roles(), ["admin"]);
/// ```
pub use jwtauth_macros::AuthUser;
/// Guards a poem handler: nobody gets past it, not even into the request body, who is not logged in.
///
/// Write it alone on an `async fn` or `fn`, which becomes an endpoint, or above `#[handler]`. Below
/// `#[handler]` it does not compile. [`JwtAuth`] must be in front: `.with(jwtauth)` around the app; or a [`Verifier`],
/// in a service that has no sessions of its own.
///
/// | argument | meaning | who does not meet it |
/// |---|---|---|
/// | none | a logged-in user | 401 |
/// | `role = "admin"`, `any_role("editor", "admin")`, `all_roles("ops", "oncall")` | who has the role, one of them, all of them | 401 strangers, 403 users |
/// | `scope = "posts:write"`, `any_scope(..)`, `all_scopes(..)` | the same for scopes | 401 strangers, 403 users |
/// | `fresh = "5m"` | who logged in no longer ago: seconds, minutes, hours or days, as `30s`, `5m`, `2h`, `1d` | 401 `fresh_login_required` (RFC 9470) |
/// | `check = path::to::rule` | who passes a function of the application's own; see below | 403, or the function's own error |
/// | `optional` | strangers too; an argument is `Option<User>`, and one that refuses strangers does not compile | 401 for a refused bearer token only |
/// | `redirect = "/login"` | strangers who are looking at pages go to the login page, with the page they asked for as `next` (see [`local_path`]) | 303 for page navigations, else 401 |
/// | `csrf = false` | requests are taken that another site caused | |
/// | `crate = path` | where this crate is, if it was renamed | |
///
/// All of them may be combined, and all must be met; only `optional` goes with nothing that needs a user.
/// Names are literals or constants of type `&'static str`, checked when the program is compiled.
///
/// All methods that reach the handler are guarded, HEAD and OPTIONS included. An unsafe request that another
/// site caused is refused with 403.
///
/// ```
/// use jwtauth::{Identity, require_auth};
/// use poem::{Route, get, post, web::Json};
///
/// #[require_auth]
/// async fn whoami(who: &Identity) -> String {
///     who.subject().to_owned()
/// }
///
/// #[require_auth(role = "admin")]
/// async fn rename(Json(name): Json<String>) -> String { // the body is read after the check
///     name
/// }
///
/// let app = Route::new().at("/whoami", get(whoami)).at("/rename", post(rename));
/// ```
///
/// # Rules of your own
///
/// A `check` is a `fn` or `async fn` of up to 4 extractors that returns `bool`, `Result<(), E>` or
/// `Result<bool, E>`. It runs behind the guard and before the handler's arguments, so it never has the body. There
/// may be several; all must agree.
///
/// ```
/// use jwtauth::{Identity, require_auth};
/// use poem::web::Path;
///
/// async fn owns_post(who: &Identity, Path(post): Path<u64>) -> poem::Result<bool> {
///     Ok(author_of(post).await? == who.subject())
/// }
/// # async fn author_of(_: u64) -> poem::Result<String> { Ok(String::new()) }
///
/// #[require_auth(check = owns_post)]
/// async fn edit(Path(post): Path<u64>, body: String) -> String {
///     format!("{post}: {body}")
/// }
/// ```
///
/// # Endpoints of your own
///
/// On an `impl Endpoint for ..` block the guard becomes the first statement of `call`.
///
/// ```
/// use jwtauth::require_auth;
/// use poem::{Endpoint, Request, Result};
///
/// struct Counter;
///
/// #[require_auth(role = "admin")]
/// impl Endpoint for Counter {
///     type Output = String;
///
///     async fn call(&self, request: Request) -> Result<String> {
///         Ok(request.uri().path().to_owned())
///     }
/// }
/// ```
///
/// # APIs with an OpenAPI document
///
/// With the feature `openapi` it stands above poem-openapi's `#[OpenApi]`. Every operation of the block is guarded
/// before any of its parameters is read. One that has an attribute of its own asks for that as well; its `redirect`
/// and `csrf` are used in place of the block's. `optional` on it lets strangers in, if the block has no condition
/// that needs a user. `#[public]` opens an operation altogether; behind
/// [`deny_by_default`](JwtAuthBuilder::deny_by_default) its path must be public there too.
///
#[cfg_attr(feature = "openapi", doc = "```")]
#[cfg_attr(not(feature = "openapi"), doc = "```ignore")]
/// use jwtauth::{CurrentUser, require_auth};
/// use poem_openapi::{OpenApi, param::Path, payload::Json};
///
/// struct Api;
///
/// #[require_auth(role = "staff")]
/// #[OpenApi]
/// impl Api {
///     #[oai(path = "/posts/:id", method = "get")]
///     async fn read(&self, id: Path<u64>, user: CurrentUser) -> Json<String> {
///         Json(format!("{}: post {}", user.subject(), id.0))
///     }
///
///     #[require_auth(scope = "posts:write", fresh = "5m")] // and the role
///     #[oai(path = "/posts/:id", method = "put")]
///     async fn write(&self, id: Path<u64>, text: Json<String>) -> Json<String> {
///         text
///     }
///
///     #[public]
///     #[oai(path = "/health", method = "get")]
///     async fn health(&self) {}
/// }
/// ```
///
/// The document has the schemes `cookie` and `bearer`, of which a guarded operation takes either, and its answers
/// 401, 403 and 503, with what is needed in the description of 403. The name of the cookie is that of the [`JwtAuth`]
/// that was built last, so build it before `spec_endpoint()` or `swagger_ui()` is called. A handler of bad requests
/// (`#[oai(bad_request_handler = "..")]`) sees none of the refusals. Behind a [`Verifier`] only `bearer` is of use.
pub use jwtauth_macros::require_auth;
pub use key::{Algorithm, Key};
pub use record::{
    Revocation, RevocationReason, RevokedToken, Rotation, RotationPolicy, Session, SessionState, Successor,
};
pub use registry::{TokenKind, TokenRecord};
pub use session::{EndReason, KeyInfo, KeyRing, SessionEnd, Sessions, SlidingToken, Tokens, Veto};
#[cfg(feature = "accounts")]
pub use store::AccountStore;
pub use store::{MemoryStore, SessionStore, SledStore};
pub use user::{AuthUser, Identity, TokenUser, Via};
pub use web::answer::cookie::SameSite;
pub use web::answer::rejection::{Rejection, Scopes};
pub use web::client::proxy::ProxyHeader;
pub use web::extract::auth::Auth;
pub use web::extract::user::{CurrentUser, MaybeUser};
pub use web::guard::local_path::local_path;
pub use web::guard::require_auth::{RequireAuth, RequireAuthEndpoint};
pub use web::jwks::JwksEndpoint;
pub use web::middleware::{JwtAuthEndpoint, VerifierEndpoint};
#[cfg(feature = "poem-session")]
pub use web::poem_session::PoemSessions;
pub use web::routes::Routes;
pub use web::routes::authenticate::{Authenticate, LoginAttempt, LoginError};
pub use web::settings::JwtAuthBuilder;
pub use web::settings::client_config::ClientConfig;
pub use web::settings::cookie_config::CookieConfig;
pub use web::settings::key_config::KeyConfig;
pub use web::settings::verifier_builder::VerifierBuilder;
pub use web::state::{JwtAuth, Verifier};
#[cfg(feature = "testing")]
pub use web::testing;
