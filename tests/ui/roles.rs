//! All of them, or one of them?

use jwtauth::require_auth;

#[require_auth(roles("editor", "admin"))]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
