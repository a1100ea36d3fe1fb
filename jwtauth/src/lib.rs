//! Logins, sessions and protected handlers for [poem](https://docs.rs/poem), in one crate and one binary.
//!
//! Sessions live in an embedded database; there is none to install. See the README for a tour.

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
mod config;
mod key;
mod record;
mod user;

// Floor 2: tokens and stores, which do not know each other.
pub mod store;
mod token;

// Floor 3: what happens to a session.
mod session;

// Floor 4: HTTP.
mod web;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{
    BoxError, ConfigError, OpenError, ParseIdError, RandomError, SessionError, StoreError, TokenError,
};
pub use id::{SessionId, TokenId};
pub use jwtauth_macros::{AuthUser, require_auth};
pub use key::Algorithm;
pub use record::{Reason, Revocation, Rotation, RotationPolicy, Session, State};
pub use session::Sessions;
pub use store::{MemoryStore, SessionStore, SledStore};
pub use user::{AuthUser, Identity, Via};
pub use web::builder::JwtAuthBuilder;
pub use web::cookie::SameSite;
pub use web::extract::{Auth, CurrentUser};
pub use web::middleware::{JwtAuth, JwtAuthEndpoint};
pub use web::reject::Rejection;
