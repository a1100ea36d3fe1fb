//! `#[OpenApi]` above the attribute has made its operations already, and none of them asks.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[OpenApi]
#[require_auth]
impl Api {
    #[oai(path = "/", method = "get")]
    async fn read(&self) {}
}

fn main() {}
