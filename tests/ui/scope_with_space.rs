//! Two scopes in one literal.

use jwtauth::require_auth;

#[require_auth(scope = "posts:read posts:write")]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
