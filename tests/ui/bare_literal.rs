//! A literal that does not say what it is.

use jwtauth::require_auth;

#[require_auth("admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
