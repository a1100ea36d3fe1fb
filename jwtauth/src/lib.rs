//! Logins, sessions and protected handlers for [poem](https://docs.rs/poem), in one crate and one binary.
#![doc = include_str!("docs/crate.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as jwtauth;

// The ground.
#[cfg(feature = "accounts")]
mod account_key;
mod byte_order_mark;
pub mod clock;
pub mod error;
#[cfg(feature = "import")]
mod foreign_hash;
#[cfg(feature = "accounts")]
mod hash_cost;
mod host;
mod id;
mod notice;
mod plain_text;
mod private_file;
mod right_name;
mod secret;
mod shutdown;

// What things are.
mod claims;
mod compat;
mod config;
mod device;
mod events;
mod issuer_profile;
mod key;
mod record;
mod registry;
mod user;

// Tokens and stores. Neither knows the other.
pub mod store;
mod token;

// What happens to a session, and to an account.
#[cfg(feature = "accounts")]
mod accounts;
mod session;
mod verifier;

// What an operator asks for.
pub mod operator;

// HTTP.
mod web;

pub mod guide;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "accounts")]
pub use accounts::{Account, Accounts, AccountsConfig, ImportedAccount, Passwords};
pub use compat::Compat;
pub use device::Device;
pub use events::{CopyKind, Event};
pub use id::{AccountId, SessionId, TokenId};
pub use issuer_profile::{ClaimPath, IssuerProfile};
#[doc = include_str!("docs/auth_user.md")]
pub use jwtauth_macros::AuthUser;
#[doc = include_str!("docs/require_auth.md")]
pub use jwtauth_macros::require_auth;
pub use key::Key;
pub use record::{RevocationReason, Session};
pub use registry::{TokenKind, TokenRecord};
pub use session::{EndReason, SessionEnd, Sessions, Tokens, Veto};
pub use shutdown::shutdown_signal;
pub use store::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use store::postgres::{PostgresConfig, PostgresStore};
pub use store::sled::{SledConfig, SledStore};
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
pub use web::settings::api_key_config::ApiKeyConfig;
pub use web::settings::client_config::ClientConfig;
pub use web::settings::cookie_config::CookieConfig;
pub use web::settings::key_config::KeyConfig;
pub use web::settings::storage_config::StorageConfig;
pub use web::settings::token_config::TokenConfig;
pub use web::settings::verifier_builder::VerifierBuilder;
pub use web::state::{JwtAuth, Verifier};
#[cfg(feature = "testing")]
pub use web::testing;

/// The keys of access tokens, which can change while the program runs. Make a key with [`Key`].
pub mod keys {
    pub use crate::key::Algorithm;
    pub use crate::secret::new_secret;
    pub use crate::session::{KeyInfo, KeyRing};
}

/// API keys: what programs log in with. They are switched on by
/// [`JwtAuthBuilder::api_keys`](crate::JwtAuthBuilder::api_keys).
pub mod api_keys {
    pub use crate::record::ApiKey;
    pub use crate::session::{ApiKeyRequest, IssuedApiKey};
    pub use crate::web::extract::own_api_keys::OwnApiKeys;
    #[cfg(feature = "openapi")]
    pub use crate::web::openapi::api_keys_api::ApiKeysApi;
}

/// The pages for people and for admins, and their texts. [`JwtAuth::pages`] and [`JwtAuth::admin_pages`] make
/// them.
#[cfg(feature = "pages")]
pub mod pages {
    pub use crate::web::pages::{AdminPages, AdminTexts, PageTexts, Pages};
}

/// The endpoint types of the middlewares and of [`JwtAuth::jwks`]. You never need to write these names.
pub mod endpoint {
    pub use crate::web::guard::require_auth::RequireAuthEndpoint;
    pub use crate::web::jwks::JwksEndpoint;
    pub use crate::web::middleware::{JwtAuthEndpoint, VerifierEndpoint};
}
