//! Below `#[handler]` under any path, with docs between, and without `async`.

use jwtauth::require_auth;

#[poem::handler]
/// Says hello.
#[require_auth(role = "admin")]
fn hello() -> &'static str {
    "hello"
}

fn main() {
    let _ = poem::Route::new().at("/", poem::get(hello));
}
