//! An `extern fn`.

use jwtauth::require_auth;

#[require_auth]
extern "C" fn hello() {}

fn main() {
    let _ = poem::Route::new().at("/", poem::get(hello));
}
