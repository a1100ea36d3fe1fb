//! A check of too many things.

use jwtauth::{Identity, require_auth};
use poem::Request;
use poem::http::{HeaderMap, Method, Uri};

fn all(_: Method, _: &Uri, _: &HeaderMap, _: &Request, _: &Identity) -> bool {
    true
}

#[require_auth(check = all)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
