//! A misspelt mark.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    #[auth(idd)]
    email: String,
}

fn main() {}
