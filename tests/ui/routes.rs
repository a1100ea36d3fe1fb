//! A function that makes routes is no handler: it runs once, and not for a request.

use jwtauth::require_auth;
use poem::{Endpoint, Route};

#[require_auth]
fn api() -> Route {
    Route::new()
}

#[require_auth(role = "admin")]
fn admin() -> impl Endpoint {
    Route::new()
}

fn main() {}
