//! A return type that is no response.

use jwtauth::require_auth;

struct Page;

#[require_auth]
async fn page() -> Page {
    Page
}

fn main() {}
