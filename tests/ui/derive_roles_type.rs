//! One role where a list is read.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    #[auth(roles)]
    role: String,
}

fn main() {}
