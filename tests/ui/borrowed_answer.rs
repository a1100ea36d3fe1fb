//! An answer that borrows from the request.

use jwtauth::{Identity, require_auth};

#[require_auth]
async fn name(who: &Identity) -> &str {
    who.subject()
}

#[require_auth]
async fn checked<'a>(who: &'a Identity) -> poem::Result<&'a str> {
    Ok(who.subject())
}

fn main() {}
