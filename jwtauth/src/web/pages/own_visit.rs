//! What a page of somebody who is logged in has of its request. The guard of these pages is here.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result};

use super::page_shell::{Shell, is_from_here, is_told};
use super::{PageSettings, PageTexts};
use crate::accounts::Account;
use crate::id::SessionId;
use crate::session::Sessions;
use crate::web::extract::auth::Auth;
use crate::web::extract::user::person;
use crate::web::request::wiring;
use crate::web::state::JwtAuthState;

/// A request of somebody who is logged in.
pub(super) struct OwnVisit<'v> {
    pub(super) look: &'v PageSettings,
    pub(super) texts: &'v PageTexts,
    pub(super) request: &'v Request,
    state: &'v Arc<JwtAuthState>,
    pub(super) account: Account,
    pub(super) session: SessionId,
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
        let session = person(request).await?.session_id();
        let state = wiring::state(request, "a page of an account")?;
        Ok(Self { look, texts, request, state, account, session })
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
        shell.belongs_to(&self.account.name, here);
        shell.home = self.look.home.as_deref();
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
