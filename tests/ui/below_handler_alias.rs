//! Under another name `#[handler]` is not recognised, and still does not compile.

use jwtauth::require_auth;
use poem::handler as endpoint;

#[endpoint]
#[require_auth]
async fn hello() -> &'static str {
    "hello"
}

fn main() {}
