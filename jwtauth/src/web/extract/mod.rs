//! The arguments of handlers: the caller ([`user`]), their session and its end (`session_end`), [`auth`] to
//! log in and out (`body_tokens`: with tokens in bodies, `own_api_keys`: the API keys of the caller,
//! `named_sessions`: what a request names), all
//! sessions (`sessions_argument`), and accounts.
//! [`argument`] knows which of them are the caller, and come first.

#[cfg(feature = "accounts")]
mod account_argument;
pub(crate) mod argument;
pub(crate) mod auth;
mod body_tokens;
mod named_sessions;
pub(crate) mod own_api_keys;
mod session_end;
mod sessions_argument;
pub(crate) mod user;
