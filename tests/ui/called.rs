//! A guarded handler is no function, so nobody calls it around the guard.

use jwtauth::require_auth;

#[require_auth]
async fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _ = hello();
}
