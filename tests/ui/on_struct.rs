//! An attribute on a type.

use jwtauth::require_auth;

#[require_auth(role = "admin")]
struct Admins;

fn main() {}
