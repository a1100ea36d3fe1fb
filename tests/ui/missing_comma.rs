//! Two arguments that run together.

use jwtauth::require_auth;

#[require_auth(role = "admin" fresh = "5m")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
