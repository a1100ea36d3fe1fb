//! Which arguments do not fit behind `#[require_auth(optional)]`: those that refuse anonymous users.
//!
//! The macro sees the name of a type, not its traits, so the compiler decides: [`Argument`] has the constant
//! of its own impl if the type is known to refuse anonymous users, and that of [`AnyArgument`] otherwise.

use std::marker::PhantomData;

use super::user::CurrentUser;
use crate::record::Session;
use crate::user::{Identity, TokenUser};

/// An extractor that has no value for an anonymous user.
pub trait RefusesAnonymous {}

impl<U> RefusesAnonymous for CurrentUser<U> {}
impl RefusesAnonymous for &Identity {}
impl RefusesAnonymous for &Session {}
impl RefusesAnonymous for TokenUser {}

/// The type of a handler's argument.
#[derive(Debug)]
pub struct Argument<T>(PhantomData<T>);

impl<T: RefusesAnonymous> Argument<T> {
    /// It refuses anonymous users.
    pub const ALLOWS_ANONYMOUS: bool = false;
}

/// The constant of all other arguments.
pub trait AnyArgument {
    /// It takes anonymous users, as far as is known.
    const ALLOWS_ANONYMOUS: bool = true;
}

impl<T> AnyArgument for Argument<T> {}

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
