//! A role that is no text.

use jwtauth::require_auth;

#[require_auth(role = 5)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
