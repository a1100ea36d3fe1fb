//! An operation that may be configured out: poem-openapi would route it all the same.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[cfg(debug_assertions)]
    #[oai(path = "/debug", method = "get")]
    async fn debug(&self) {}
}

fn main() {}
