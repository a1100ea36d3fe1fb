//! Two attributes on one endpoint.

use jwtauth::require_auth;
use poem::{Endpoint, Request, Result};

struct Counter;

#[require_auth]
#[require_auth(role = "admin")]
impl Endpoint for Counter {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }
}

fn main() {}
