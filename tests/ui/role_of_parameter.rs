//! A role that differs with the type, which a `static` cannot.

use jwtauth::require_auth;

trait Resource {
    const ROLE: &'static str;
}

#[require_auth(role = T::ROLE)]
async fn remove<T: Resource>() {}

fn main() {}
