//! A number without its unit.

use jwtauth::require_auth;

#[require_auth(fresh = 300)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
