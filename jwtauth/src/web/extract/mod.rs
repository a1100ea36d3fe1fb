//! The arguments of handlers: who is calling ([`user`]), their session and its end (`session_end`), [`auth`] to log in and
//! out, and accounts. [`optional`] knows which of them have no value for an anonymous user.

#[cfg(feature = "accounts")]
mod account_argument;
pub(crate) mod auth;
pub(crate) mod optional;
mod session_end;
pub(crate) mod user;
