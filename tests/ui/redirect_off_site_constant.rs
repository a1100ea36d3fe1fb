//! A login page somewhere else, which only the compiler can tell.

use jwtauth::require_auth;

const LOGIN: &str = "https://login.example";

#[require_auth(redirect = LOGIN)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
