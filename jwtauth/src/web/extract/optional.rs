//! Which arguments have no place behind `#[require_auth(optional)]`: those that refuse the strangers it lets in.
//!
//! The macro sees the name of a type and not what it is, so the compiler is asked: [`Argument`] has the constant of
//! its own impl if the type is known to refuse strangers, and that of [`AnyArgument`] if it is any other.

use std::marker::PhantomData;

use super::user::CurrentUser;
use crate::record::Session;
use crate::user::{Identity, TokenUser};

/// An extractor that has no value for a stranger.
pub trait RefusesStrangers {}

impl<U> RefusesStrangers for CurrentUser<U> {}
impl RefusesStrangers for &Identity {}
impl RefusesStrangers for &Session {}
impl RefusesStrangers for TokenUser {}

/// The type of a handler's argument.
#[derive(Debug)]
pub struct Argument<T>(PhantomData<T>);

impl<T: RefusesStrangers> Argument<T> {
    /// A stranger cannot come this far.
    pub const TAKES_STRANGERS: bool = false;
}

/// What is true of an argument unless it is known better.
pub trait AnyArgument {
    /// A stranger may come this far.
    const TAKES_STRANGERS: bool = true;
}

impl<T> AnyArgument for Argument<T> {}

/// Stops the compiler at an argument of an optional login that refuses strangers.
///
/// # Panics
///
/// If it does, while it is compiled.
#[track_caller]
pub const fn takes_strangers(takes: bool) {
    assert!(
        takes,
        "`optional` lets strangers in and this argument refuses them: take an `Option` of it, or leave `optional` out"
    );
}
