//! [`Account`] and [`&Accounts`](Accounts) as arguments of handlers. `answer::account_answer` answers their
//! errors, and `routes::account_routes` uses them.

use poem::{FromRequest, Request, RequestBody, Result};

use super::argument::RefusesAnonymous;
use super::user::current_user;
use crate::accounts::{Account, Accounts};
use crate::notice::misconfigured;
use crate::web::answer::rejection::Rejection;
use crate::web::request::wiring;

impl<'a> FromRequest<'a> for Account {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        current_user(request).await
    }
}

impl RefusesAnonymous for Account {}

impl<'a> FromRequest<'a> for &'a Accounts {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let accounts = wiring::state(request, "`&Accounts`")?.accounts.as_ref();
        accounts.ok_or_else(|| {
            let fix =
                "`&Accounts` needs accounts: call `.accounts(AccountsConfig::default())` on the builder";
            misconfigured(fix, format_args!("{fix}"));
            Rejection::Misconfigured.into()
        })
    }
}
