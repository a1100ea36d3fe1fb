//! A check of something that no request has.

use jwtauth::require_auth;

fn is_even(number: u32) -> bool {
    number % 2 == 0
}

#[require_auth(check = is_even)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
