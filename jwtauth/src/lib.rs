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
//!   themselves ([`Routes::body_tokens`], [`Auth::issue_tokens`]), or have one token that is both
//!   ([`Routes::sliding_tokens`]).
//! - **Who is calling** is an argument: `user: User` with the derive, [`CurrentUser`] with an [`AuthUser`]
//!   written by hand, [`&Identity`](Identity) when no user value is needed; `Option<..>` of each behind
//!   `#[require_auth(optional)]`, [`MaybeUser`] in a plain `#[handler]`.
//! - **Another service** that is to take the same access tokens puts a [`Verifier`] around its app. It has the public keys
//!   and no sessions, and the same guards.
//!
//! Settings, with their defaults and ranges, are at [`JwtAuthBuilder`]; answers to clients at [`Rejection`]; errors in
//! [`error`]. A store of your own starts at [`store`].
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
pub mod clock;
pub mod error;
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

pub mod guide;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "accounts")]
pub use accounts::{Account, Accounts, AccountsConfig};
pub use compat::Compat;
pub use device::Device;
pub use event::Event;
#[cfg(feature = "accounts")]
pub use id::AccountId;
pub use id::{SessionId, TokenId};
#[doc = include_str!("docs/auth_user.md")]
pub use jwtauth_macros::AuthUser;
#[doc = include_str!("docs/require_auth.md")]
pub use jwtauth_macros::require_auth;
pub use key::Key;
pub use record::{RevocationReason, Session};
pub use registry::{TokenKind, TokenRecord};
pub use session::{EndReason, SessionEnd, Sessions, Tokens, Veto};
pub use store::{MemoryStore, SessionStore, SledStore};
pub use user::{AuthUser, Identity, TokenSource, TokenUser};
pub use web::answer::cookie::SameSite;
pub use web::answer::rejection::{Rejection, Scopes};
pub use web::client::proxy::ProxyHeader;
pub use web::extract::auth::Auth;
pub use web::extract::user::{CurrentUser, MaybeUser};
pub use web::guard::local_path::local_path;
pub use web::guard::require_auth::RequireAuth;
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

/// Keys of access tokens while the program runs: which there are, and which one signs. Make one with [`Key`].
pub mod keys {
    pub use crate::key::Algorithm;
    pub use crate::session::{KeyInfo, KeyRing};
}

/// What poem makes of the middlewares and of [`JwtAuth::jwks`]. Nobody needs to write these names.
pub mod endpoint {
    pub use crate::web::guard::require_auth::RequireAuthEndpoint;
    pub use crate::web::jwks::JwksEndpoint;
    pub use crate::web::middleware::{JwtAuthEndpoint, VerifierEndpoint};
}
