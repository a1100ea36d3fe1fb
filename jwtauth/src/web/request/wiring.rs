//! Finds the handle that a middleware has put on the request, or says what the application has to write.

use std::sync::Arc;

use poem::Request;

use super::handle::Handle;
use crate::notice::misconfigured;
use crate::web::answer::rejection::Rejection;
use crate::web::state::{JwtAuth, JwtAuthState, Verifier};

/// Returns the request's handle. If there is none, the log says what `asker` needs.
pub(crate) fn handle<'r>(request: &'r Request, asker: &str) -> Result<&'r Handle, Rejection> {
    request.data::<Handle>().ok_or_else(|| {
        let fix = missing(request);
        misconfigured(fix, format_args!("{asker}: {fix}"));
        Rejection::Misconfigured
    })
}

/// Returns the state of a [`JwtAuth`]. Behind a [`Verifier`], the log says what `asker` needs.
pub(crate) fn state<'r>(request: &'r Request, asker: &str) -> Result<&'r Arc<JwtAuthState>, Rejection> {
    jwtauth(request, asker).map(JwtAuth::state)
}

/// Returns the [`JwtAuth`]. Behind a [`Verifier`], the log says what `asker` needs.
pub(crate) fn jwtauth<'r>(request: &'r Request, asker: &str) -> Result<&'r JwtAuth, Rejection> {
    let handle = handle(request, asker)?;
    handle.jwtauth().ok_or_else(|| {
        misconfigured(
            "sessions of a verifier",
            format_args!(
                "{asker} needs the sessions of a `JwtAuth`, and in front of this route is a `Verifier`, which has none: \
                 take `TokenUser` or `&Identity`, and leave sessions to the service that issues the tokens"
            ),
        );
        handle.note(Rejection::Misconfigured)
    })
}

/// Says what to do if no middleware has put its handle on the request.
pub(crate) fn missing(request: &Request) -> &'static str {
    if has::<JwtAuth>(request) {
        "`JwtAuth` was added with `.data(auth)`; it is a middleware: write `.with(auth)`"
    } else if has::<Verifier>(request) {
        "`Verifier` was added with `.data(verifier)`; it is a middleware: write `.with(verifier)`"
    } else {
        "no `JwtAuth` and no `Verifier` in front of this route; add `.with(auth)` or `.with(verifier)` to the app, after (outside) every other `.with(..)` that needs the user"
    }
}

/// Tells whether this is data of the request, in any of the usual forms.
fn has<T: Send + Sync + 'static>(request: &Request) -> bool {
    request.data::<T>().is_some()
        || request.data::<Arc<T>>().is_some()
        || request.data::<&'static T>().is_some()
}
