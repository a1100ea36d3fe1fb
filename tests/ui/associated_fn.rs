//! A function of a type and one of a trait, which have no `self`.

use jwtauth::require_auth;

struct Api;

impl Api {
    #[require_auth]
    async fn list() -> &'static str {
        "list"
    }
}

trait Service {
    #[require_auth(role = "admin")]
    fn stats() -> &'static str {
        "stats"
    }
}

fn main() {}
