//! A misspelt argument.

use jwtauth::require_auth;

#[require_auth(rolle = "admin")]
async fn stats() -> &'static str {
    "42"
}

fn main() {
    let _ = poem::Route::new().at("/", poem::get(stats));
}
