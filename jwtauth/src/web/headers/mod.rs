//! What the headers of a request say, read byte by byte and not yet verified.
//!
//! [`credentials`] finds the two cookies and the token of a program, each a [`credential`]. [`token_header`]
//! knows where that token is. [`parameters`] reads values such as that of `Content-Type`. [`cross_origin`]
//! tells whether another site caused a request. [`pattern`] matches the paths of settings, and [`navigation`]
//! knows browsers that open a page. `request` verifies tokens.

pub(crate) mod credential;
pub(crate) mod credentials;
pub(crate) mod cross_origin;
pub(crate) mod navigation;
pub(crate) mod parameters;
pub(crate) mod pattern;
pub(crate) mod token_header;
