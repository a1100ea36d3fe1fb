//! A constant that has several names.

use jwtauth::require_auth;

const EDITORS: &str = "admin,editor";

#[require_auth(role = EDITORS)]
async fn edit() {}

fn main() {}
