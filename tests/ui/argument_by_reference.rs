//! A user is taken by value, and what all handlers share by reference.

use jwtauth::{Auth, AuthUser, JwtAuth, Session, Sessions, require_auth};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
}

#[require_auth]
async fn user(_user: &User) {}

#[require_auth]
async fn auth(_auth: &Auth) {}

#[require_auth]
async fn session(_session: Session) {}

#[require_auth]
async fn sessions(_sessions: Sessions) {}

#[require_auth]
async fn all(_jwtauth: JwtAuth) {}

fn main() {}
