//! `CurrentUser` of a type that is no user.

use jwtauth::{CurrentUser, require_auth};

#[derive(Clone)]
struct User;

#[require_auth]
async fn me(_user: CurrentUser<User>) -> &'static str {
    "me"
}

fn main() {}
