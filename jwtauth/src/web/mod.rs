//! The only floor that names poem: middleware, guard, extractors, cookies, answers.
//!
//! A request's way: [`middleware`] puts a [`handle`] on it, and asks the [`default_guard`] if there is one; [`guard`],
//! with a [`policy`] that a macro or [`require`] has made, or an extractor ([`extract`]) asks the handle who is calling,
//! which reads [`credentials`] (a program's where [`token_header`] says), checks [`cross_origin`] and lets its
//! [`authority`] [`authenticate`]; the application's own rules ([`check`]) and the handler run, which may log in and out ([`auth`]); the handle finishes the
//! answer with [`cookie`]. A refusal is a [`reject`], or for pages a way to the login ([`local_path`]); [`wording`] puts it
//! into the application's words. [`routes`] are handlers that many applications need.
//! What of all this a document says is in `openapi`.
//! What an application may set is in [`builder`] and, for keys, cookies, clients, hooks and wording, in a file of each.
//! Apart from all that, `poem_session` lends the store to poem's own sessions.
//! With the feature, `accounts` lets handlers and routes use accounts.
//! [`jwks`] publishes keys, and [`verifier`] is the middleware of services that only verify.

#[cfg(feature = "accounts")]
mod accounts;
pub(crate) mod auth;
mod authenticate;
mod authority;
pub(crate) mod builder;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod cookie;
mod credentials;
mod cross_origin;
pub(crate) mod default_guard;
pub(crate) mod extract;
pub(crate) mod guard;
mod handle;
mod hooks;
pub(crate) mod jwks;
mod key_settings;
pub(crate) mod local_path;
pub(crate) mod middleware;
#[cfg(feature = "openapi")]
pub mod openapi;
pub(crate) mod optional;
mod pattern;
#[cfg(feature = "poem-session")]
pub(crate) mod poem_session;
pub(crate) mod policy;
pub(crate) mod reject;
pub(crate) mod require;
pub(crate) mod routes;
mod session_end;
#[cfg(feature = "testing")]
pub mod testing;
pub(crate) mod token_header;
pub(crate) mod verifier;
pub(crate) mod wording;
