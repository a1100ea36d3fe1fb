//! Everybody, and who has just logged in.

use jwtauth::require_auth;

#[require_auth(optional, fresh = "5m")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
