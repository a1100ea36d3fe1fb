//! A field that the derive would not read, though it looks as if it did.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    role: String,
}

fn main() {}
