//! A block without operations guards nothing.

use jwtauth::require_auth;
use poem_openapi::OpenApi;

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    async fn read(&self) {}
}

fn main() {}
