//! Everybody is let in, so nobody is sent away.

use jwtauth::require_auth;

#[require_auth(redirect = "/login", optional)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
