//! An `Option` of the user where nobody gets who is not logged in.

use jwtauth::{Account, CurrentUser, Identity, require_auth};

#[require_auth]
async fn home(_user: Option<Account>) {}

#[require_auth(role = "admin")]
async fn admin(_user: Option<CurrentUser>, _who: Option<&Identity>) {}

fn main() {}
