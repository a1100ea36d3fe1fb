//! Who may pass.
//!
//! [`policy`] is what a guard asks for, as constant data. [`admit`] checks a request against it.
//! [`require_auth`] guards a tree of routes, [`default_guard`] a whole app. [`check`] runs the application's
//! own rules. A refusal may become a redirect to a login page on this site ([`local_path`]).

pub(crate) mod admit;
pub(crate) mod check;
pub(crate) mod default_guard;
pub(crate) mod local_path;
pub(crate) mod policy;
#[cfg(feature = "testing")]
pub(crate) mod refusal_note;
pub(crate) mod require_auth;
