//! The only floor that names poem: middleware, guard, extractors, cookies, answers.
//!
//! A request's way: [`middleware`] puts a [`handle`] on it; [`guard`] or an extractor ([`extract`]) asks
//! the handle who is calling, which reads [`credentials`], checks [`cross_origin`] and lets
//! [`authenticate`] decide; the handler runs; the handle finishes the answer with [`cookie`]. A refusal
//! is a [`reject`].

mod authenticate;
pub(crate) mod builder;
pub(crate) mod cookie;
mod credentials;
mod cross_origin;
pub(crate) mod extract;
pub(crate) mod guard;
mod handle;
pub(crate) mod middleware;
pub(crate) mod reject;
