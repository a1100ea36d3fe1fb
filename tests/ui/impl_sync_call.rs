//! A `call` that has no place to wait for the guard.

use jwtauth::require_auth;
use poem::{Endpoint, Request, Result};

struct Counter;

#[require_auth]
impl Endpoint for Counter {
    type Output = ();

    fn call(&self, _: Request) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

fn main() {}
