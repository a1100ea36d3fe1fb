//! Types that nothing of a request becomes.

use std::collections::HashMap;
use std::sync::Arc;

use jwtauth::{Account, require_auth};

#[require_auth]
async fn map(_user: HashMap<String, String>) {}

#[require_auth]
async fn number(_user: u64) {}

#[require_auth]
async fn shared(_user: Arc<Account>) {}

fn main() {}
