//! A check that says something else than yes or no.

use jwtauth::require_auth;

fn rank() -> u32 {
    1
}

#[require_auth(check = rank)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
