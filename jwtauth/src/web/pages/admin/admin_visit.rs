//! The one guard of the pages for admins, and what a page has of a request that came through it.

use poem::web::Query;
use poem::{FromRequest, Request, RequestBody, Result};
use serde::de::DeserializeOwned;
use serde_json::Map;

use super::super::own_visit::OwnVisit;
use super::super::page_shell::Shell;
use super::super::{PageSettings, PageTexts};
use super::AdminGate;
use crate::accounts::Accounts;
use crate::error::{SessionError, StoreError};
use crate::session::{Sessions, caused_by};
use crate::web::answer::rejection::Rejection;
use crate::web::extract::user::person;
use crate::web::request::wiring;

/// A request of an admin.
pub(super) struct AdminVisit<'v> {
    /// What each page for people who are logged in has.
    pub(super) own: OwnVisit<'v>,
    pub(super) gate: &'v AdminGate,
    pub(super) accounts: &'v Accounts,
}

impl<'v> AdminVisit<'v> {
    /// Fails unless an admin with a recent login is asking, and no other site has caused it. Reads nothing of
    /// the body.
    pub(super) async fn of(
        look: &'v PageSettings,
        gate: &'v AdminGate,
        texts: &'v PageTexts,
        request: &'v Request,
        body: &mut RequestBody,
    ) -> Result<Self> {
        // An API key is no admin, whatever its roles.
        let own = OwnVisit::of(look, texts, request, body).await?;
        let who = person(request).await?;
        // The role first: without it, a fresh login does not help.
        if !who.has_role(&gate.role) {
            return Err(Rejection::PermissionDenied.into());
        }
        let max_age = gate.max_age.as_secs();
        if wiring::handle(request, "an admin page")?.age_of_login(who) > max_age {
            return Err(Rejection::FreshLoginRequired { max_age }.into());
        }
        let accounts = <&Accounts>::from_request_without_body(request).await?;
        Ok(Self { own, gate, accounts })
    }

    /// Turns a failure of the store into an answer.
    pub(super) fn failed(error: StoreError) -> poem::Error {
        SessionError::from(error).into()
    }

    pub(super) fn sessions(&self) -> &'v Sessions {
        self.own.sessions()
    }

    /// Reads the query into fields that are texts, so that none makes the others unreadable. Of two values of
    /// one field the first counts.
    pub(super) async fn query<T: DeserializeOwned + Default>(&self) -> T {
        let asked = Query::<Vec<(String, String)>>::from_request_without_body(self.own.request).await;
        let Ok(Query(asked)) = asked else { return T::default() };
        let mut fields = Map::new();
        for (name, value) in asked {
            fields.entry(name).or_insert(value.into());
        }
        serde_json::from_value(fields.into()).unwrap_or_default()
    }

    /// What stands around a page. `here` is its path.
    pub(super) fn shell<'s>(&'s self, title: &'s str, here: &'static str) -> Shell<'s> {
        let mut shell = self.own.shell(title, here);
        shell.logout = &self.gate.logout;
        shell
    }

    /// Makes a change in the name of the admin: that is how its events say who it was (O-11).
    pub(super) fn by_admin<F: Future>(&self, change: F) -> impl Future<Output = F::Output> {
        caused_by(self.own.account.id.to_string(), change)
    }
}
