//! Names that nobody has, because several are written as one, and names with white space around them.

use jwtauth::require_auth;

#[require_auth(role = "admin,editor")]
async fn comma() {}

#[require_auth(role = "admin|editor")]
async fn bar() {}

#[require_auth(role = " admin")]
async fn space() {}

#[require_auth(role = ["admin", "editor"])]
async fn array() {}

#[require_auth(role = "admin" | "editor")]
async fn or() {}

#[require_auth(any_role("admin,editor"))]
async fn list() {}

#[require_auth(scope = "posts:read;posts:write")]
async fn scopes() {}

#[require_auth(admin)]
async fn word() {}

#[require_auth(role = (admin))]
async fn value() {}

fn main() {}
