//! The entry points of jwtauth's macros.
//!
//! Each macro has a folder with its name. Its `mod.rs` parses the tokens into a model, and expands the model.
//!
//! The macros are documented in jwtauth, because the examples need the library. Rustdoc shows the text there
//! first, and then the text here: the arguments, which are generated from the tables of the parser (see
//! `words`).
//!
//! # Invariants
//!
//! 1. Every path in an expansion is absolute and begins at the library (see `library`). So no name in the
//!    user's scope can change what the expansion means.
//! 2. Wrong input gives all its errors at once, each at the word that caused it. An item of the expected name
//!    stands beside the errors, so that one mistake is one message.
//! 3. Wrong input never compiles. An error is never a warning, and nothing unknown is skipped.

mod auth_user;
mod errors;
mod library;
mod require_auth;
mod spans;
mod suggest;
mod words;

use proc_macro::TokenStream;

/// # Arguments
///
/// Without arguments, every logged-in user is allowed. Everyone else gets 401.
///
#[doc = include_str!("docs/arguments.md")]
///
/// Arguments can be combined. A request must meet all of them. `optional` cannot stand beside an argument
/// that needs a user: a role, a scope, `fresh` or `redirect`.
///
/// Roles, scopes and pages are literals, or constants of type `&'static str`. The compiler checks them.
#[proc_macro_attribute]
pub fn require_auth(args: TokenStream, item: TokenStream) -> TokenStream {
    let before = require_auth::source_before(proc_macro::Span::call_site()).unwrap_or_default();
    require_auth::expand(args.into(), item.into(), &before).into()
}

/// # Marks on fields
///
#[doc = include_str!("docs/field_marks.md")]
///
/// # Arguments on the type
///
#[doc = include_str!("docs/type_arguments.md")]
#[proc_macro_derive(AuthUser, attributes(auth))]
pub fn derive_auth_user(input: TokenStream) -> TokenStream {
    auth_user::expand(input.into()).into()
}
