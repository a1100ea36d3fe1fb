//! A guard that would stand in front of nothing.

use jwtauth::RequireAuth;
use poem::{EndpointExt, Route};

fn main() {
    let _ = Route::new().data(RequireAuth::new().role("admin"));
}
