//! A parameter that is there or not.

use jwtauth::require_auth;

#[require_auth]
async fn echo(#[cfg(unix)] body: String) -> String {
    body
}

fn main() {
    let _ = poem::Route::new().at("/", poem::post(echo));
}
