//! The only floor that names poem: what stands in front of an app, and the arguments of its handlers.
//!
//! The way of a request: [`middleware`] puts a handle on it ([`request`]). The handle reads the [`headers`]
//! and asks the sessions or keys of the [`state`] who is calling. A [`guard`] refuses a caller who may not
//! pass. [`extract`] has the arguments of handlers, [`answer`] what leaves. [`client`] describes who sent the
//! request. [`settings`] builds all that.
//!
//! Beside it: ready-made [`routes`] and `pages`, [`jwks`] for public keys, `openapi` for documents,
//! `poem_session` for poem's own sessions, and `testing` for the tests of an application.
//!
//! The rooms from the bottom up. Each uses only those before it: `answer`, `headers`, `client`, `jwks`,
//! `local_only`, `state`, `request`, `guard`, `extract`, `middleware`, `openapi`, `routes`, `pages`,
//! `settings`, `testing`, `poem_session`.

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod extract;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod jwks;
pub(crate) mod local_only;
pub(crate) mod middleware;
#[cfg(feature = "openapi")]
pub mod openapi;
#[cfg(feature = "pages")]
pub(crate) mod pages;
#[cfg(feature = "poem-session")]
pub(crate) mod poem_session;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod settings;
pub(crate) mod state;
#[cfg(feature = "testing")]
pub mod testing;
