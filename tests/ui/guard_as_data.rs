//! A guard that would stand in front of nothing.
use jwtauth::RequireAuth;
// As `data` of poem, which asks for `Sync` too: that message names a file.
fn data<T: Clone>(_: T) {}

fn main() {
    data(RequireAuth::new().role("admin"));
}
