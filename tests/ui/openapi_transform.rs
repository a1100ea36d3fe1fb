//! A `transform` that is no function of endpoints is blamed where it stands.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

fn not_for_endpoints(number: u32) -> u32 {
    number
}

#[require_auth]
#[OpenApi]
impl Api {
    #[oai(path = "/", method = "get", transform = "not_for_endpoints")]
    async fn read(&self) {}

    #[oai(path = "/missing", method = "get", transform = "nowhere")]
    async fn missing(&self) {}
}

fn main() {}
