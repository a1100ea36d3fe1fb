//! A parameter whose type has no name.

use jwtauth::require_auth;

#[require_auth]
async fn echo(body: impl ToString) -> String {
    body.to_string()
}

fn main() {}
