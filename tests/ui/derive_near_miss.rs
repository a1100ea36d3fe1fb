//! Fields that look as if they decided who may log in, and attributes of the type.

use jwtauth::AuthUser;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Renamed {
    id: u64,
    is_active: bool,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Opposite {
    id: u64,
    banned: bool,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = customer, crate = ::jwtauth, crate = ::jwtauth)]
struct Twice {
    id: u64,
}

fn main() {}
