//! Everybody, and admins only.

use jwtauth::require_auth;

#[require_auth(optional, role = "admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
