//! What the output of the macros uses. Not for people: it may change in any release.

pub use std::concat;
pub use std::default::Default;
pub use std::file;
pub use std::future::Future;
pub use std::iter::{IntoIterator, Iterator};
pub use std::line;
pub use std::marker::{PhantomData, Send};
pub use std::module_path;
pub use std::option::Option;
pub use std::primitive::bool;
pub use std::result::Result;
pub use std::string::{String, ToString};
pub use std::vec::Vec;

pub use poem::error::IntoResult;
pub use poem::{Endpoint, FromRequest, IntoResponse, Request, RequestBody, Response, Result as PoemResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::error::BoxError;
use crate::user::{Identity, Unfit};
pub use crate::web::extract::optional::{AnyArgument, Argument, RefusesAnonymous, allows_anonymous};
pub use crate::web::extract::user::current_user;
pub use crate::web::guard::admit::{guard, redirected, settled};
pub use crate::web::guard::check::{Check, Pending, Verdict, check};
pub use crate::web::guard::policy::{Need, Policy, Site};
#[cfg(feature = "openapi")]
pub use crate::web::openapi;

/// A field that `#[auth(roles)]` or `#[auth(scopes)]` is on.
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

/// A field that `#[auth(active)]` is on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a user is active",
    label = "not a `bool`",
    note = "mark a `bool` with `#[auth(active)]`, or implement `AuthUser` by hand with an `is_active` of its own"
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

/// Writes the copy of a user that goes into the session.
///
/// # Errors
///
/// What the type's own `Serialize` reports.
pub fn copy_of<T: Serialize>(user: &T) -> Result<Option<Vec<u8>>, BoxError> {
    Ok(Some(serde_json::to_vec(user)?))
}

/// Reads the copy of a user from the session.
///
/// If the type has changed and can no longer read the copy, it counts as missing: the user must log in again,
/// which writes a new one. The log says what to fix.
///
/// # Errors
///
/// If there is no session, behind a [`Verifier`](crate::Verifier).
pub fn load_copy<T: DeserializeOwned>(who: &Identity) -> Result<Option<T>, BoxError> {
    let session = who.session().ok_or(Unfit::NO_SESSION)?;
    let Some(json) = &session.user else { return Ok(None) };
    let read = serde_json::from_slice(json).inspect_err(|error| {
        let user = std::any::type_name::<T>();
        // Position and kind only: the message may quote what the user typed.
        tracing::error!(
            target: "jwtauth",
            line = error.line(),
            column = error.column(),
            kind = ?error.classify(),
            "a session holds a copy of `{user}` that it cannot read any more; its user must log in again. Give new fields `#[serde(default)]`"
        );
    });
    Ok(read.ok())
}
