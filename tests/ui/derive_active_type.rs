//! A mark on a field of another type.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    #[auth(active)]
    deleted_at: Option<u64>,
}

fn main() {}
