//! Two roles: both, or one of them?

use jwtauth::require_auth;

#[require_auth(role = "editor", role = "admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
