//! From the bytes of a request to who is calling.
//!
//! [`handle`] is the one value that a request carries. It asks which site caused the request ([`origin`]), and an
//! [`authority`] who is calling, each at most once. The table of credentials and what comes of them is in [`outcome`]. What
//! goes out with the answer is a `pending_answer`. [`wiring`] finds the handle, or says what the application has to write.

pub(crate) mod authority;
pub(crate) mod handle;
pub(crate) mod origin;
pub(crate) mod outcome;
mod pending_answer;
pub(crate) mod wiring;
