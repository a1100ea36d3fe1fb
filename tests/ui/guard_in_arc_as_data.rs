//! Guards that would stand in front of nothing: behind a pointer.

use std::sync::{Arc, LazyLock};

use jwtauth::RequireAuth;
use poem::{EndpointExt, Route};

static GUARD: LazyLock<RequireAuth> = LazyLock::new(RequireAuth::new);

fn main() {
    let _ = Route::new().data(Arc::new(RequireAuth::new().role("admin")));
    let _ = Route::new().data(&*GUARD);
}
