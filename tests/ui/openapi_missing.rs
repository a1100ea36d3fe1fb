//! Operations without the attribute that makes them.

use jwtauth::require_auth;

struct Api;

#[require_auth]
impl Api {
    #[oai(path = "/", method = "get")]
    async fn read(&self) {}
}

fn main() {}
