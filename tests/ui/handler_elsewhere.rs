//! A `#[handler]` that is not poem's is not removed.

use jwtauth::require_auth;

#[require_auth]
#[no_such_crate::handler]
async fn hello() -> &'static str {
    "hello"
}

fn main() {}
