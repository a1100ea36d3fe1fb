//! From the bytes of a request to who is calling.
//!
//! [`handle`] is the one value that a request carries: it asks an [`authority`] at most once, which decides by the table in
//! [`outcome`]. [`wiring`] finds the handle, or says what the application has to write.

pub(crate) mod authority;
pub(crate) mod handle;
pub(crate) mod outcome;
pub(crate) mod wiring;
