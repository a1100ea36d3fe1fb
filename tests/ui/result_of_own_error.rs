//! An error that is no answer.

use jwtauth::require_auth;
use poem::web::Json;

#[derive(Debug)]
struct MyError;

#[require_auth]
async fn read() -> Result<Json<u8>, MyError> {
    Err(MyError)
}

fn main() {}
