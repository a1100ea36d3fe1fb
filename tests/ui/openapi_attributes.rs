//! What contradicts itself, or stands where it means nothing, beside an operation that is right.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[require_auth(role = "staff")]
#[OpenApi]
impl Api {
    #[oai(path = "/", method = "get")]
    async fn right(&self) {}

    #[require_auth(optional)]
    #[oai(path = "/weaker", method = "get")]
    async fn weaker(&self) {}

    #[public]
    #[require_auth(role = "admin")]
    #[oai(path = "/both", method = "get")]
    async fn both(&self) {}

    #[require_auth(role = "admin")]
    async fn no_operation(&self) {}

    #[public]
    async fn no_operation_either(&self) {}

    #[require_auth(rolle = "admin")]
    #[oai(path = "/misspelt", method = "get")]
    async fn misspelt(&self) {}
}

fn main() {}
