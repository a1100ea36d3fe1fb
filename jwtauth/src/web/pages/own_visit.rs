//! What a page of somebody who is logged in has of its request. The guard of these pages is here, and of
//! their forms: each is for the account that it was made for.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};

use super::page_shell::{Shell, is_again, is_from_here, is_told};
use super::{PageSettings, PageTexts};
use crate::accounts::Account;
use crate::id::SessionId;
use crate::session::Sessions;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;
use crate::web::request::wiring;
use crate::web::routes::form::Form;
use crate::web::state::JwtAuthState;

/// A request of somebody who is logged in.
pub(super) struct OwnVisit<'v> {
    pub(super) look: &'v PageSettings,
    pub(super) texts: &'v PageTexts,
    pub(super) request: &'v Request,
    state: &'v Arc<JwtAuthState>,
    pub(super) account: Account,
    pub(super) session: SessionId,
    /// How old the login is, in seconds.
    pub(super) age: u64,
    /// What is wrong with the form that was sent.
    problem: Option<&'v str>,
}

impl<'v> OwnVisit<'v> {
    /// Fails if nobody is logged in, or if another site caused the request. An API key is nobody here. Reads
    /// nothing of the body.
    pub(super) async fn of(
        look: &'v PageSettings,
        texts: &'v PageTexts,
        request: &'v Request,
        body: &mut RequestBody,
    ) -> Result<Self> {
        let account = Account::from_request(request, body).await?;
        let who = person(request).await?;
        let age = wiring::handle(request, "a page of an account")?.age_of_login(who);
        let session = who.session_id();
        let state = wiring::state(request, "a page of an account")?;
        look.sent_forms.end_unused(&state.sessions, session).await?;
        Ok(Self { look, texts, request, state, account, session, age, problem: None })
    }

    /// Reads the form that was sent. `None`: it was made for another account, and nothing is to be changed.
    /// The page, shown anew, says so.
    ///
    /// Two accounts may be used in two tabs of one browser, which has the cookies of the last login only. A
    /// form of the application's own that says nothing of an account is one of whoever is logged in.
    pub(super) async fn form(&mut self, body: &mut RequestBody) -> Result<Option<Form>> {
        let mut form = Form::read(self.request.headers(), body).await?;
        Ok(self.is_for_me(&mut form)?.then_some(form))
    }

    /// Takes out of a form for whom it was made.
    pub(super) fn is_for_me(&mut self, form: &mut Form) -> Result<bool> {
        let subject = self.subject();
        let is_mine = form.list("for")?.into_iter().all(|account| account == subject);
        if !is_mine {
            self.problem = Some(&self.texts.for_another);
        }
        Ok(is_mine)
    }

    pub(super) fn sessions(&self) -> &'v Sessions {
        &self.state.sessions
    }

    /// Returns what sessions and API keys call their owner.
    pub(super) fn subject(&self) -> String {
        self.account.id.to_string()
    }

    pub(super) async fn auth(&self) -> Result<Auth> {
        Auth::from_request(self.request, &mut RequestBody::default()).await
    }

    /// What stands around a page. `here` is its path.
    pub(super) fn shell<'s>(&'s self, title: &'s str, here: &'static str) -> Shell<'s> {
        let mut shell = Shell::new(self.look, self.texts, title);
        shell.belongs_to(&self.account, here);
        shell.home = self.look.home.as_deref();
        shell.problem = self.problem;
        shell.notice = is_again(self.request).then_some(&*self.texts.nothing_changed);
        shell
    }

    /// Tells whether a page of this site has led here.
    pub(super) fn is_from_here(&self) -> bool {
        is_from_here(self.request)
    }

    /// Tells whether a page of this site has led here, and says in the query what it did.
    pub(super) fn is_told(&self, what: &str) -> bool {
        is_told(self.request, what)
    }
}
