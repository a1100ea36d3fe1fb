//! A list that is no list.

use jwtauth::require_auth;

#[require_auth(any_role = "admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
