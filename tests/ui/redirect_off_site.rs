//! A login page that is somewhere else, as browsers read it.

use jwtauth::require_auth;

#[require_auth(redirect = "//login.example")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
