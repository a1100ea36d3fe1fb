//! Only `#[public]` opens an operation: neither that of another crate, nor one that does not exist.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[no_such_crate::public]
    #[oai(path = "/health", method = "get")]
    async fn health(&self) {}

    #[no_such_crate::require_auth(role = "admin")]
    #[oai(path = "/wipe", method = "post")]
    async fn wipe(&self) {}
}

fn main() {}
