//! An `unsafe fn`.

use jwtauth::require_auth;

#[require_auth]
unsafe fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _ = poem::Route::new().at("/", poem::get(hello));
}
