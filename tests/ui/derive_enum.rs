//! A user that is an enum.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
enum User {
    Admin,
}

fn main() {}
