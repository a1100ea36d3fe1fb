//! A method that answers beside `call`.

use jwtauth::require_auth;
use poem::{Endpoint, Request, Response, Result};

struct Counter;

#[require_auth]
impl Endpoint for Counter {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }

    async fn get_response(&self, _: Request) -> Response {
        Response::default()
    }
}

fn main() {}
