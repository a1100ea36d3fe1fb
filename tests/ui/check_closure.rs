//! A check without a name.

use jwtauth::require_auth;

#[require_auth(check = |user: jwtauth::CurrentUser| user.has_role("admin"))]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
