//! A parameter that is no extractor: a user type without the derive.

use jwtauth::require_auth;

#[derive(Clone)]
struct User;

#[require_auth]
async fn me(_user: User) -> &'static str {
    "me"
}

fn main() {}
