//! A `#[handler]` that is not poem's is not removed.

use jwtauth::require_auth;
use tracing::instrument as handler;

#[require_auth]
#[no_such_crate::handler]
async fn hello() -> &'static str {
    "hello"
}

#[require_auth]
#[handler]
async fn imported() -> &'static str {
    "hello"
}

fn main() {}
