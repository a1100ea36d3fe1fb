//! A trait whose methods answer no requests.

use jwtauth::require_auth;

struct Counter;

#[require_auth]
impl Clone for Counter {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {}
