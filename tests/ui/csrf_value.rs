//! A word that is no value of `csrf`.

use jwtauth::require_auth;

#[require_auth(csrf = off)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
