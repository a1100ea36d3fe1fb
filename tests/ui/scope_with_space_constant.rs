//! Two scopes in one constant.

use jwtauth::require_auth;

const WRITE: &str = "posts:write posts:delete";

#[require_auth(any_scope("posts:read", WRITE))]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
