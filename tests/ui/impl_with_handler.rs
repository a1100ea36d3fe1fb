//! `#[handler]` on an endpoint, which is none of its business.

use jwtauth::require_auth;
use poem::{Endpoint, Request, Result, handler};

struct Counter;

#[require_auth]
#[handler]
impl Endpoint for Counter {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }
}

fn main() {}
