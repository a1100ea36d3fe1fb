//! Below `#[handler]` the request has been read before anyone is checked.

use jwtauth::require_auth;
use poem::handler;
use poem::web::Json;

#[handler]
#[require_auth]
async fn create(Json(number): Json<u32>) -> String {
    number.to_string()
}

fn main() {
    let _ = poem::Route::new().at("/", poem::post(create));
}
