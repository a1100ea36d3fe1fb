//! The application's own rules: `#[require_auth(check = path::to::rule)]`.
//!
//! A rule is a function of extractors that returns yes or no. It runs after the guard and before the
//! handler's own extractors, so it never sees the body.

use std::future::Future;
use std::pin::Pin;

use poem::{Body, FromRequest, Request, RequestBody, Result};

use super::admit::settled;
use crate::notice::misconfigured;
use crate::web::answer::rejection::Rejection;

/// What a check returns: `true` or `Ok(())` to go on.
pub trait Verdict {
    /// Turns it into poem's result: `false` is 403.
    ///
    /// # Errors
    ///
    /// [`Rejection::PermissionDenied`] for `false`, or the check's own error.
    fn verdict(self) -> Result<()>;
}

impl Verdict for bool {
    fn verdict(self) -> Result<()> {
        if self { Ok(()) } else { Err(Rejection::PermissionDenied.into()) }
    }
}

impl<E: Into<poem::Error>> Verdict for std::result::Result<(), E> {
    fn verdict(self) -> Result<()> {
        self.map_err(Into::into)
    }
}

impl<E: Into<poem::Error>> Verdict for std::result::Result<bool, E> {
    fn verdict(self) -> Result<()> {
        self.map_err(Into::into)?.verdict()
    }
}

/// A check that is running. It is boxed: a handler's future that holds a type with lifetimes in its name
/// cannot be proven to be `Send` (rust-lang/rust#100013).
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A function that can be a check. `Marker` tells the compiler which impl is meant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not work as a `check`",
    label = "not a check",
    note = "a check is a `fn` or `async fn` of up to 4 extractors, which returns `bool`, `Result<(), E>` or `Result<bool, E>`",
    note = "each argument is `poem::FromRequest`, `E` becomes a `poem::Error`, and what an `async fn` keeps across an `.await` is `Send`"
)]
pub trait Check<'a, Marker> {
    /// Extracts the arguments, and calls the function.
    fn run(self, request: &'a Request) -> Pending<'a>;
}

/// Marks a function that returns its verdict.
#[derive(Debug)]
pub struct Sync;

/// Marks a function that returns a future of its verdict.
#[derive(Debug)]
pub struct Async;

macro_rules! checks {
    ($($arg:ident),*) => {
        impl<'a, F, R, $($arg),*> Check<'a, (Sync, R, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> R + Send + 'a,
            R: Verdict,
            $($arg: FromRequest<'a> + Send + 'a,)*
        {
            #[allow(non_snake_case)]
            fn run(self, request: &'a Request) -> Pending<'a> {
                Box::pin(async move {
                    $(let $arg = extract::<$arg>(request).await?;)*
                    settled(request)?;
                    self($($arg),*).verdict()
                })
            }
        }

        impl<'a, F, R, Fut, $($arg),*> Check<'a, (Async, R, Fut, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + 'a,
            Fut: Future<Output = R> + Send + 'a,
            R: Verdict,
            $($arg: FromRequest<'a> + Send + 'a,)*
        {
            #[allow(non_snake_case)]
            fn run(self, request: &'a Request) -> Pending<'a> {
                Box::pin(async move {
                    $(let $arg = extract::<$arg>(request).await?;)*
                    settled(request)?;
                    self($($arg),*).await.verdict()
                })
            }
        }
    };
}

checks!();
checks!(A);
checks!(A, B);
checks!(A, B, C);
checks!(A, B, C, D);

/// Extracts an argument of a check. An argument that reads the body is an error, even if it is an `Option`:
/// `None` would say that there is no body.
async fn extract<'a, T: FromRequest<'a>>(request: &'a Request) -> Result<T> {
    let mut body = RequestBody::new(Body::empty());
    // Boxed for the same reason as `Pending`; Rust 1.88 needs it here too.
    let extracting: Pin<Box<dyn Future<Output = Result<T>> + Send + '_>> =
        Box::pin(T::from_request(request, &mut body));
    let extracted = extracting.await;
    if body.is_some() {
        return extracted;
    }
    let argument = std::any::type_name::<T>();
    misconfigured(
        "body in a check",
        format_args!(
            "a `check` takes `{argument}`, which reads the body: only the handler reads it, so decide there"
        ),
    );
    Err(Rejection::Misconfigured.into())
}

/// Runs one check.
///
/// # Errors
///
/// [`Rejection::PermissionDenied`] if it refuses, its own error, or that of an extractor.
pub fn check<'a, Marker, C: Check<'a, Marker>>(request: &'a Request, check: C) -> Pending<'a> {
    check.run(request)
}
