//! The entry points of jwtauth's macros.
//!
//! Each one hands its tokens to the file that is named after it; that file parses them into a
//! model and expands the model. The macros are documented in jwtauth, which re-exports them,
//! because the examples need the library to compile.
//!
//! # Invariants
//!
//! 1. Every path an expansion names is absolute and begins at the library (see `library`), so
//!    that no name in the user's scope changes what an expansion means.
//! 2. Wrong input yields every error at once, each at the word that caused it, and beside them
//!    an item of the expected name, so that one mistake is one message.
//! 3. No wrong input compiles: an error is never a warning, and nothing unknown is skipped.

mod auth_user;
mod errors;
mod library;
mod require_auth;
mod spans;
mod suggest;
mod words;

use proc_macro::TokenStream;

/// Guards a poem handler; documented in jwtauth.
#[proc_macro_attribute]
pub fn require_auth(args: TokenStream, item: TokenStream) -> TokenStream {
    let below_handler = require_auth::stands_below_handler(proc_macro::Span::call_site());
    require_auth::expand(args.into(), item.into(), below_handler).into()
}

/// Implements `AuthUser` and `FromRequest` for a user type; documented in jwtauth.
#[proc_macro_derive(AuthUser, attributes(auth))]
pub fn derive_auth_user(input: TokenStream) -> TokenStream {
    auth_user::expand(input.into()).into()
}
