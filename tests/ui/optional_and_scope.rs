//! Everybody, and only some.

use jwtauth::require_auth;

#[require_auth(optional, any_scope("posts:write"))]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
