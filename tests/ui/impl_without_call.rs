//! An endpoint without the method that every request comes to.

use jwtauth::require_auth;
use poem::Endpoint;

struct Counter;

#[require_auth]
impl Endpoint for Counter {
    type Output = ();
}

fn main() {}
