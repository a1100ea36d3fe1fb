//! What leaves: refusals, their wording, and cookies.
//!
//! A [`rejection`] is one row of a table: status, code, sentence and challenge. A [`problem`] is its body,
//! for programs or as a page. [`wording`] puts it into the words that the application's clients know.
//! [`language`] says in which language a page is, and which way that is written. [`names`] are the roles and
//! scopes that it can list. [`cookie`] sets and deletes the two cookies, and `cookie_forms` deletes what
//! browsers keep in other forms. `handler_answer` is what a handler may return. `request` and `guard` decide
//! who is refused, and why.

#[cfg(feature = "accounts")]
pub(crate) mod account_answer;
mod api_key_answer;
pub(crate) mod cookie;
pub(crate) mod cookie_forms;
pub(crate) mod handler_answer;
pub(crate) mod language;
pub(crate) mod names;
pub(crate) mod problem;
pub(crate) mod rejection;
pub(crate) mod wording;
