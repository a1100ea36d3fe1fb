//! What the macro asks of the arguments of a handler: which of them are the caller, who may be refused, and
//! so comes first; and which of them do not go with `optional`, or not without it.
//!
//! The macro sees the name of a type, not its traits, so the compiler decides: [`Argument`] has the items of
//! its own impl if the type is a [`CallerArgument`], and those of [`AnyArgument`] otherwise.

use std::future::{Future, Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;

use poem::{FromRequest, Request, RequestBody, Result};

use super::user::{CurrentUser, MaybeUser};
use crate::record::Session;
use crate::session::SessionEnd;
use crate::user::{AuthUser, Identity, TokenUser};

/// Something that a handler can take: what poem extracts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "nothing of a request",
    note = "if it is your user: put `#[derive(Clone, Serialize, Deserialize, AuthUser)]` on the type and take it by value; or if it implements `AuthUser` by hand, take `CurrentUser<..>` of it",
    note = "of jwtauth: `Auth`, `Account`, `TokenUser`, `SessionEnd`, `CurrentUser<..>` and `MaybeUser<..>` are taken by value; `&Identity`, `&Session`, `&Sessions`, `&Accounts` and `&JwtAuth` by reference",
    note = "anything else: take `Json<..>`, `Path<..>`, `Query<..>` or `Form<..>` of poem for what the request has, and `Data<&..>` for what `.data(..)` has added"
)]
pub trait HandlerArgument<'a>: FromRequest<'a> {}

#[diagnostic::do_not_recommend]
impl<'a, T: FromRequest<'a>> HandlerArgument<'a> for T {}

/// Extracts an argument of a handler.
///
/// # Errors
///
/// Those of the extractor.
pub fn extract<'a, 'b, T: HandlerArgument<'a>>(
    request: &'a Request,
    body: &'b mut RequestBody,
) -> impl Future<Output = Result<T>> + Send + use<'a, 'b, T> {
    T::from_request(request, body)
}

/// An extractor that has no value for an anonymous user.
pub trait RefusesAnonymous {
    /// Whether there is a value for everyone who is logged in.
    const IS_FOR_ALL_USERS: bool = true;
}

impl<U: AuthUser> RefusesAnonymous for CurrentUser<U> {}
impl RefusesAnonymous for &Identity {}
impl RefusesAnonymous for TokenUser {}

impl RefusesAnonymous for &Session {
    const IS_FOR_ALL_USERS: bool = false; // a token of another service has none
}

impl RefusesAnonymous for SessionEnd {
    const IS_FOR_ALL_USERS: bool = false;
}

/// An extractor that finds out who is calling.
pub trait CallerArgument {
    /// Whether it takes anonymous users.
    const ALLOWS_ANONYMOUS: bool;
    /// Whether it is one only because of anonymous users.
    const NEEDS_OPTIONAL: bool;
}

impl<T: RefusesAnonymous> CallerArgument for T {
    const ALLOWS_ANONYMOUS: bool = false;
    const NEEDS_OPTIONAL: bool = false;
}

impl<T: RefusesAnonymous> CallerArgument for Option<T> {
    const ALLOWS_ANONYMOUS: bool = true;
    const NEEDS_OPTIONAL: bool = T::IS_FOR_ALL_USERS;
}

impl<U: AuthUser> CallerArgument for MaybeUser<U> {
    const ALLOWS_ANONYMOUS: bool = true;
    const NEEDS_OPTIONAL: bool = false;
}

/// The type of a handler's argument.
#[derive(Debug)]
pub struct Argument<T>(PhantomData<T>);

impl<T: CallerArgument> Argument<T> {
    /// Whether it takes anonymous users.
    pub const ALLOWS_ANONYMOUS: bool = T::ALLOWS_ANONYMOUS;
    /// Whether it is one only because of anonymous users.
    pub const NEEDS_OPTIONAL: bool = T::NEEDS_OPTIONAL;

    /// Extracts it before others that may read the body.
    ///
    /// The future is boxed: one that holds a type with lifetimes in its name cannot be proven to be `Send`
    /// (rust-lang/rust#100013).
    ///
    /// # Errors
    ///
    /// Those of the extractor.
    #[must_use]
    pub fn early<'a>(request: &'a Request) -> Pin<Box<dyn Future<Output = Result<Option<T>>> + Send + 'a>>
    where
        T: FromRequest<'a> + 'a,
    {
        Box::pin(found(Box::pin(T::from_request_without_body(request))))
    }
}

/// Its argument is boxed for the same reason: Rust 1.88 proves it of this future only.
async fn found<T>(argument: Pin<Box<dyn Future<Output = Result<T>> + Send + '_>>) -> Result<Option<T>> {
    argument.await.map(Some)
}

/// The items of all other arguments.
pub trait AnyArgument {
    /// The type of the argument.
    type Value;
    /// It takes anonymous users, as far as is known.
    const ALLOWS_ANONYMOUS: bool = true;
    /// It has a use behind a login, as far as is known.
    const NEEDS_OPTIONAL: bool = false;

    /// Leaves it to be extracted in its place.
    ///
    /// # Errors
    ///
    /// None.
    fn early(_: &Request) -> Ready<Result<Option<Self::Value>>> {
        ready(Ok(None))
    }
}

impl<T> AnyArgument for Argument<T> {
    type Value = T;
}

/// Stops the compiler at an argument that refuses anonymous users where a login is optional.
///
/// # Panics
///
/// While it compiles, if so.
#[track_caller]
pub const fn allows_anonymous(takes: bool) {
    assert!(
        takes,
        "`optional` allows anonymous users and this argument refuses them: take an `Option` of it, or leave `optional` out"
    );
}

/// Stops the compiler at an argument for anonymous users where a login is needed.
///
/// # Panics
///
/// While it compiles, if so.
#[track_caller]
pub const fn is_none_at_times(needs_optional: bool) {
    assert!(
        !needs_optional,
        "without `optional` nobody gets here who is not logged in: write `#[require_auth(optional)]`, or take the user without `Option`"
    );
}
