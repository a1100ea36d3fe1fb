//! A bound that names a lifetime of the request.

use jwtauth::require_auth;

#[require_auth]
async fn echo<'r, T: poem::FromRequest<'r> + ToString>(body: T) -> String {
    body.to_string()
}

fn main() {}
