//! A list of nobody.

use jwtauth::require_auth;

#[require_auth(all_roles())]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
