//! What the output of the macros, and the program `jwtauth`, use. Not for people: it may change in any
//! release.

pub use std::concat;
pub use std::default::Default;
pub use std::file;
pub use std::fmt::{Debug, Formatter, Result as FmtResult};
pub use std::future::Future;
pub use std::iter::{IntoIterator, Iterator};
pub use std::line;
pub use std::marker::{PhantomData, Send, Sized};
pub use std::module_path;
pub use std::ops::Deref;
pub use std::option::Option;
pub use std::primitive::{bool, str};
pub use std::result::Result;
pub use std::string::{String, ToString};
pub use std::vec::Vec;

pub use poem::{Endpoint, FromRequest, Request, RequestBody, Response, Result as PoemResult};

// For the program `jwtauth`.
pub use crate::byte_order_mark::{bytes_without_mark, without_mark};
pub use crate::error::BoxError;
pub use crate::plain_text::{is_for_terminals, json_for_terminals, printable};
pub use crate::shutdown::outlive_file_limits;
pub use crate::user::{CopyFields, KindNote, copy_of, load_copy};
pub use crate::web::answer::handler_answer::{HandlerAnswer, PoemHandler, is_poems_handler};
pub use crate::web::extract::argument::{
    AnyArgument, Argument, CallerArgument, HandlerArgument, RefusesAnonymous, allows_anonymous, extract,
    is_none_at_times,
};
pub use crate::web::extract::user::current_user;
pub use crate::web::guard::admit::{guard, redirected, settled};
pub use crate::web::guard::check::{Check, Pending, Verdict, check};
pub use crate::web::guard::policy::{Need, Policy, Site};
#[cfg(feature = "openapi")]
pub use crate::web::openapi;

/// The fields `roles` and `scopes`, or those that `#[auth(roles)]` and `#[auth(scopes)]` are on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a collection of roles or scopes",
    label = "not a collection",
    note = "write `Vec<String>`, or any other collection whose items have a `Display`; who has one role has a list of one"
)]
pub trait Collection<'a> {
    /// Returns each item as text.
    fn names(&'a self) -> Vec<String>;
}

#[diagnostic::do_not_recommend]
impl<'a, C: 'a> Collection<'a> for C
where
    &'a C: IntoIterator<Item: ToString>,
{
    fn names(&'a self) -> Vec<String> {
        self.into_iter().map(|name| name.to_string()).collect()
    }
}

/// The field `active`, or the one that `#[auth(active)]` is on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a user is active",
    label = "not a `bool`",
    note = "make it a `bool`, or implement `AuthUser` by hand with an `is_active` of its own",
    note = "if it has nothing to do with who may log in, mark it with `#[auth(skip)]`"
)]
pub trait Flag {
    /// Tells what it says.
    fn is_set(&self) -> bool;
}

impl Flag for bool {
    fn is_set(&self) -> bool {
        *self
    }
}

/// What a guarded handler dereferences to, so that a call of it is told its name: an endpoint has a guard,
/// and a call would go around it. In a test send a request, with `poem::test::TestClient` or
/// `Endpoint::get_response`, or put what you want to test into a function of its own.
pub type NotAFunction = fn(GuardedHandlersAreEndpointsSendThemARequest) -> std::future::Pending<Response>;

/// There is no value of it.
#[derive(Debug)]
pub enum GuardedHandlersAreEndpointsSendThemARequest {}

/// The only value of [`NotAFunction`].
pub static NOT_A_FUNCTION: NotAFunction = |never| match never {};

/// Passes on what the macro writes for poem-openapi.
#[cfg(feature = "openapi")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_openapi {
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Reports the missing feature once, in place of an error for every name.
#[cfg(not(feature = "openapi"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_openapi {
    ($($tokens:tt)*) => {
        ::core::compile_error!(
            "`#[require_auth]` above `#[OpenApi]` needs the feature `openapi` of jwtauth\n\
             help: in Cargo.toml write `jwtauth = { version = \"..\", features = [\"openapi\"] }`"
        );
    };
}

pub use crate::__with_openapi as with_openapi;
