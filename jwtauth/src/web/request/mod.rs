//! From the bytes of a request to who is calling.
//!
//! [`handle`] is the one value that a request carries. It asks [`origin`] which site caused the request, and
//! an [`authority`] who is calling, each at most once. [`outcome`] has the table of credentials and their
//! results, and [`twins`] which of several cookies of one name counts. A `pending_answer` is what leaves with
//! the answer, and `dropped_cookies` tells who will not keep them. [`wiring`] finds the handle, or says what
//! the application has to write.

pub(crate) mod authority;
mod dropped_cookies;
pub(crate) mod handle;
pub(crate) mod origin;
pub(crate) mod outcome;
mod pending_answer;
pub(crate) mod twins;
pub(crate) mod wiring;
