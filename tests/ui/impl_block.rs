//! An impl block.

use jwtauth::require_auth;

struct Api;

#[require_auth]
impl Api {}

fn main() {}
