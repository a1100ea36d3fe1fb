//! A role that is empty.

use jwtauth::require_auth;

#[require_auth(role = "")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
