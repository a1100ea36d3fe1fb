//! In a generic handler too: what is no parameter of it is known where it stands.

use jwtauth::{Account, CurrentUser, require_auth};
use poem::web::Data;

#[require_auth]
async fn home<T: Clone + Send + Sync + 'static>(_user: Option<Account>, _: Data<&T>) {}

#[require_auth(optional)]
async fn shared<T: Clone + Send + Sync + 'static>(_user: CurrentUser, _: Data<&T>) {}

fn main() {}
