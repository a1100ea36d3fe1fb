//! Arguments that refuse the strangers who are let in.

use jwtauth::{AuthUser, CurrentUser, Identity, Session, TokenUser, require_auth};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: u64,
}

#[require_auth(optional)]
async fn derived(user: User) -> String {
    user.id.to_string()
}

#[require_auth(optional)]
async fn current(CurrentUser(_): CurrentUser) {}

#[require_auth(optional)]
fn by_reference(_: &Session, _: Option<User>, _: &Identity) {}

#[require_auth(optional)]
async fn by_token(_: TokenUser) {}

fn main() {}
