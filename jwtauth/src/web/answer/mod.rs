//! What leaves: refusals, their wording, and cookies.
//!
//! A [`rejection`] is one row of a table: status, code, sentence and challenge. [`wording`] says it in the
//! words that an application's clients know; [`names`] are the roles and scopes that one can list. [`cookie`]
//! writes and deletes the two cookies. Who is refused, and why, is decided in `request` and `guard`.

#[cfg(feature = "accounts")]
pub(crate) mod account_answer;
pub(crate) mod cookie;
pub(crate) mod names;
pub(crate) mod rejection;
pub(crate) mod wording;
