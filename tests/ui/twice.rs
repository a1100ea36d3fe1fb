//! Two attributes on one handler.

use jwtauth::require_auth;

#[require_auth]
#[require_auth(role = "admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {
    let _ = poem::Route::new().at("/", poem::get(stats));
}
