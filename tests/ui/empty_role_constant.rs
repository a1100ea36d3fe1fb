//! A role that is empty, which only the compiler can tell.

use jwtauth::require_auth;

const ADMIN: &str = "";

#[require_auth(role = ADMIN)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
