//! An operation that allows anonymous users, with an argument that refuses them.

use jwtauth::{CurrentUser, Identity, require_auth};
use poem_openapi::OpenApi;

struct Api;

#[require_auth]
#[OpenApi]
impl Api {
    #[require_auth(optional)]
    #[oai(path = "/", method = "get")]
    async fn read(&self, user: CurrentUser, who: Option<&Identity>) {
        let _ = (user, who);
    }
}

fn main() {}
