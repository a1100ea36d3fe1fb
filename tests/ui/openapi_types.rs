//! Types that poem-openapi cannot use are blamed where they stand.

use jwtauth::{CurrentUser, require_auth};
use poem_openapi::OpenApi;

struct Api;

struct Thing;

#[require_auth]
#[OpenApi]
impl Api {
    #[oai(path = "/extractor", method = "get")]
    async fn extractor(&self, thing: Thing) {
        let _ = thing;
    }

    #[oai(path = "/user", method = "get")]
    async fn user(&self, user: CurrentUser<Thing>) {
        let _ = user;
    }

    #[oai(path = "/answer", method = "get")]
    async fn answer(&self) -> Thing {
        Thing
    }
}

fn main() {}
