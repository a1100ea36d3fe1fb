//! A user that cannot be kept in a session.

use jwtauth::AuthUser;

#[derive(Clone, AuthUser)]
struct User {
    id: u64,
}

fn main() {}
