//! What the macro asks of handlers: that they return an answer, and that the `#[handler]` that it replaces is
//! poem's. Both only for clear messages of the compiler.

use poem::error::IntoResult;
use poem::{Endpoint, IntoResponse, Response, Result};

/// Something that a handler can return: what poem makes a response of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a handler",
    label = "not an answer",
    note = "if these are routes or an endpoint: let a `fn` without `#[require_auth]` make them, and guard them all with `.with(RequireAuth::new())`",
    note = "an answer implements poem's `IntoResponse`, as `String`, `Json<..>` and `Response` do, or it is a `Result` of one",
    note = "the error of a `Result` implements poem's `ResponseError`: `impl poem::error::ResponseError for MyError {{ fn status(&self) -> StatusCode {{ .. }} }}`. Or return `poem::Result<..>`, and turn an error into one with `.map_err(poem::error::InternalServerError)?`"
)]
pub trait HandlerAnswer<Kind> {
    /// Makes the response.
    ///
    /// # Errors
    ///
    /// That of a `Result`.
    fn answer(self) -> Result<Response>;
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse, R: IntoResult<T>> HandlerAnswer<T> for R {
    fn answer(self) -> Result<Response> {
        self.into_result().map(IntoResponse::into_response)
    }
}

/// What poem's `#[handler]` makes of a function.
#[diagnostic::on_unimplemented(
    message = "this `#[handler]` is not poem's, so `#[require_auth]` cannot replace it",
    label = "not poem's `#[handler]`",
    note = "`#[require_auth]` makes the endpoint itself: remove this attribute, or put it above `#[require_auth]` if it works on endpoints"
)]
pub trait PoemHandler {}

#[diagnostic::do_not_recommend]
impl<E: Endpoint> PoemHandler for E {}

/// Accepts what poem's `#[handler]` makes of a function.
pub const fn is_poems_handler(_: &impl PoemHandler) {}
