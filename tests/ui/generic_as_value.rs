//! A generic handler is a type, not a value.

use jwtauth::require_auth;
use poem::web::Json;
use poem::{FromRequest, Route, get};

#[require_auth]
async fn list<T: for<'a> FromRequest<'a> + Send + Sync + 'static>(_body: T) {}

fn main() {
    let _ = Route::new().at("/", get(list)).at("/json", get(list::<Json<u8>>));
}
