//! A check in quotes.

use jwtauth::require_auth;

fn is_open() -> bool {
    true
}

#[require_auth(check = "is_open")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
