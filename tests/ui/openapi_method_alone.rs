//! Conditions of one operation without any on the block: the others would be open by oversight.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[OpenApi]
impl Api {
    #[require_auth]
    #[oai(path = "/", method = "get")]
    async fn read(&self) {}
}

fn main() {}
