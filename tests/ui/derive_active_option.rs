//! A field `active` of another type.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
    active: Option<bool>,
}

fn main() {}
