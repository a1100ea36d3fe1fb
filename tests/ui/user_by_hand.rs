//! A user type with an `AuthUser` of its own is no argument by itself.

use jwtauth::{AuthUser, Identity, error::BoxError, require_auth};

#[derive(Clone)]
struct User;

impl AuthUser for User {
    type Store = ();

    fn subject(&self) -> String {
        String::new()
    }

    async fn load(_: &(), _: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(User))
    }
}

#[require_auth]
async fn me(_user: User) -> &'static str {
    "me"
}

fn main() {}
