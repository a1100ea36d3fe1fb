//! What the headers of a request say, read byte by byte and not yet believed.
//!
//! [`credentials`] finds the two cookies and the token of a program, each a [`credential`]; [`token_header`] knows where
//! that token stands. [`cross_origin`] tells whether another site caused a request, and [`pattern`] which requests a
//! setting means. Nothing here verifies a token: that is `request`.

pub(crate) mod credential;
pub(crate) mod credentials;
pub(crate) mod cross_origin;
pub(crate) mod pattern;
pub(crate) mod token_header;
