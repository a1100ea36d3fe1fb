//! The only floor that names poem: middleware, guard, extractors, cookies, answers.
//!
//! A request's way: [`middleware`] puts a handle on it; the guard or an extractor asks [`handle`],
//! which reads [`credentials`], checks [`cross_origin`] and asks `session`; the handler runs;
//! [`handle`] finishes the answer with [`cookie`]. A refusal is a [`reject`].

pub(crate) mod builder;
pub(crate) mod cookie;
mod credentials;
mod cross_origin;
pub(crate) mod extract;
pub(crate) mod guard;
mod handle;
pub(crate) mod middleware;
pub(crate) mod reject;
