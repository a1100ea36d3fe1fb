//! The arguments of handlers: the caller ([`user`]), their session and its end (`session_end`), [`auth`] to
//! log in and out (`body_tokens`: with tokens in bodies), all sessions (`sessions_argument`), and accounts.
//! [`optional`] knows which of them have no value for an anonymous user.

#[cfg(feature = "accounts")]
mod account_argument;
pub(crate) mod auth;
mod body_tokens;
pub(crate) mod optional;
mod session_end;
mod sessions_argument;
pub(crate) mod user;
