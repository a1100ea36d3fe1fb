//! Carries requests out, here and in a server: what is in the store, and sessions.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::{JoinSet, yield_now};

use super::api_key_requests;
use super::messages::{OperatorAnswer, OperatorRequest, OperatorStatus};
use super::session_row::SessionRow;
use super::{OperatorError, OperatorTarget};
use crate::error::{SessionError, StoreError};
use crate::events::{CopyKind, Event};
use crate::id::SessionId;
use crate::record::Session;
use crate::session::caused_by;
use crate::store::SessionStore;
use crate::store::operate::{self, ExportOptions, OperateError, Progress};

/// Who stands in the audit trail.
const CAUSE: &str = "operator";

/// How many rows a page has at most.
pub(super) const PAGE: usize = 256;

/// How long the rows of a page are at most, as JSON: half a frame.
const PAGE_BYTES: usize = 512 * 1024;

/// How many sessions are revoked at the same time. The store writes them in one go.
const AT_ONCE: usize = 64;

pub(super) type Answered = Result<OperatorAnswer, OperatorError>;

/// The rows of a page, as many as fit into an answer.
pub(super) struct Rows<R> {
    pub(super) rows: Vec<R>,
    bytes: usize,
}

impl<R: Serialize> Rows<R> {
    pub(super) const fn new() -> Self {
        Self { rows: Vec::new(), bytes: 0 }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.rows.len() >= PAGE || self.bytes >= PAGE_BYTES
    }

    pub(super) fn push(&mut self, row: R) {
        // OK because a row that cannot be written as JSON fails the whole answer later.
        self.bytes += serde_json::to_vec(&row).map_or(0, |row| row.len());
        self.rows.push(row);
    }
}

impl OperatorTarget {
    pub(crate) async fn carry_out(&self, request: OperatorRequest) -> Answered {
        caused_by(CAUSE, self.answer(request)).await
    }

    async fn answer(&self, request: OperatorRequest) -> Answered {
        match request {
            OperatorRequest::Backup | OperatorRequest::Export { .. } => {
                Err(OperatorError::refused("this is answered with a file: ask with `Operator::ask_into`"))
            }
            OperatorRequest::Compact => {
                let compact = Arc::clone(self.store()).compact_store();
                let compact = compact
                    .ok_or_else(|| OperatorError::refused("this store has no files that could be smaller"))?;
                compact.compact().await.map(OperatorAnswer::Compacted).map_err(|error| match error {
                    StoreError::BeingCompacted { .. } => OperatorError::refused(error.to_string()),
                    error => OperatorError::of_store(error),
                })
            }
            OperatorRequest::NoteBackup { taken_at } => {
                let noted = operate::note_backup(self.store(), taken_at, self.sessions.now()).await;
                noted.map(|()| OperatorAnswer::Done).map_err(OperatorError::of_store)
            }
            OperatorRequest::Status => self.status().await,
            OperatorRequest::CountUnreadable { kind } => {
                let counted = operate::count_unreadable(self.store(), kind).await;
                counted.map(|count| OperatorAnswer::Unreadable { count }).map_err(of_operate)
            }
            OperatorRequest::ListSessions { of, over, only_api_keys, after } => {
                let now = self.sessions.now();
                let wanted = |session: &Session| {
                    (over || session.is_live_at(now)) && (!only_api_keys || session.api_key.is_some())
                };
                match of {
                    Some(user) => self.sessions_of(&user, wanted, after).await,
                    None => self.all_sessions(wanted, after).await,
                }
            }
            OperatorRequest::CreateApiKey { owner, name, roles, scopes, ttl } => {
                let wanted = api_key_requests::wanted(name, roles, scopes, ttl);
                self.create_api_key(&owner, wanted).await
            }
            OperatorRequest::CheckEvents { mark } => {
                let go_on = |_| ControlFlow::Continue(());
                let checked = operate::check_trail(self.store(), mark, &go_on).await;
                checked.map(OperatorAnswer::EventsChecked).map_err(of_operate)
            }
            OperatorRequest::ListEvents { of, event, after } => self.events(of, event, after).await,
            OperatorRequest::ShowSession { id } => {
                let found = self.store().load(id).await.map_err(OperatorError::of_store)?;
                let session = found.ok_or_else(|| missing(id))?;
                Ok(OperatorAnswer::Session(SessionRow::at(self.sessions.now(), &session)))
            }
            OperatorRequest::RevokeSessions { ids } => {
                // All or none of them: a mistyped id must not leave half of it done.
                for id in &ids {
                    let found = self.store().load(*id).await.map_err(OperatorError::of_store)?;
                    found.ok_or_else(|| missing(*id))?;
                }
                self.revoke(ids).await
            }
            OperatorRequest::RevokeAllOf { user } => {
                let subject = self.known_subject(&user).await?;
                let count = self.sessions.revoke_all(&subject).await.map_err(OperatorError::of_store)?;
                self.revoked(count as u64).await
            }
            OperatorRequest::RevokeAll => {
                // Those that have expired too: they may be live for a process whose clock is behind.
                let mut all = Vec::new();
                let note = |session: Session| all.extend(session.revoked.is_none().then_some(session.id));
                let go_on = |_| ControlFlow::Continue(());
                operate::each_session(self.store(), note, &go_on).await.map_err(of_operate)?;
                self.revoke(all).await
            }
            #[cfg(feature = "accounts")]
            of_accounts => self.carry_out_on_accounts(of_accounts).await,
        }
    }

    /// Carries out a request that is answered with a file, and writes that into `sink`, which may block.
    pub(crate) async fn carry_out_into(
        &self,
        request: OperatorRequest,
        sink: &mut (dyn Write + Send),
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Answered {
        self.announce(&request).await;
        self.write_into(request, sink, progress).await
    }

    /// Tells the trail and the hooks of a copy, before it leaves.
    pub(super) async fn announce(&self, request: &OperatorRequest) {
        let copy = match request {
            OperatorRequest::Backup => CopyKind::Backup,
            OperatorRequest::Export { hashes } => CopyKind::Export { hashes: *hashes },
            _ => return,
        };
        caused_by(CAUSE, self.sessions.emit(Event::StoreCopied { copy })).await;
    }

    /// Carries out a request that is answered with a file, and was announced.
    pub(super) async fn write_into(
        &self,
        request: OperatorRequest,
        sink: &mut (dyn Write + Send),
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Answered {
        // What the clock shows: the time of sessions stays ahead of it once it has jumped.
        let now = self.sessions.clock_time();
        match request {
            OperatorRequest::Backup => {
                let summary = operate::backup(self.store(), sink, now, progress).await;
                summary.map(OperatorAnswer::BackedUp).map_err(of_operate)
            }
            OperatorRequest::Export { hashes } => {
                let options = ExportOptions::default().no_hashes(!hashes);
                let lines = operate::export(self.store(), sink, options, now, progress).await;
                lines.map(OperatorAnswer::Exported).map_err(of_operate)
            }
            other => self.carry_out(other).await,
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn SessionStore> {
        self.sessions.store()
    }

    async fn status(&self) -> Answered {
        let go_on = |_| ControlFlow::Continue(());
        let status = operate::status(self.store(), self.sessions.now(), &go_on).await.map_err(of_operate)?;
        Ok(OperatorAnswer::Status(OperatorStatus::new(status)))
    }

    async fn sessions_of(
        &self,
        user: &str,
        wanted: impl Fn(&Session) -> bool,
        after: Option<SessionId>,
    ) -> Answered {
        let subject = self.subject(user).await?;
        let mut own = self.store().sessions_of(subject).await.map_err(OperatorError::of_store)?;
        own.retain(|session| after.is_none_or(|after| session.id > after) && wanted(session));
        own.sort_by_key(|session| session.id);
        let (now, mut page) = (self.sessions.now(), Rows::new());
        for session in &own {
            if page.is_full() {
                break;
            }
            page.push(SessionRow::at(now, session));
        }
        let next = page.rows.last().filter(|_| page.rows.len() < own.len()).map(|row| row.id);
        Ok(OperatorAnswer::Sessions { rows: page.rows, next })
    }

    async fn all_sessions(
        &self,
        wanted: impl Fn(&Session) -> bool,
        mut after: Option<SessionId>,
    ) -> Answered {
        let pages = Arc::clone(self.store()).session_pages();
        let pages = pages.ok_or_else(|| OperatorError::refused("this store does not list its sessions"))?;
        let (now, mut page) = (self.sessions.now(), Rows::new());
        loop {
            let found = pages.sessions_after(after, PAGE).await.map_err(OperatorError::of_store)?;
            let is_last = found.len() < PAGE;
            for session in found {
                if page.is_full() {
                    return Ok(OperatorAnswer::Sessions { rows: page.rows, next: after });
                }
                after = Some(session.id);
                if wanted(&session) {
                    page.push(SessionRow::at(now, &session));
                }
            }
            if is_last {
                return Ok(OperatorAnswer::Sessions { rows: page.rows, next: None });
            }
            // Reading never waits, and requests of the server want their turn.
            yield_now().await;
        }
    }

    async fn events(&self, of: Option<String>, event: Option<String>, mut after: u64) -> Answered {
        let Some(trail) = Arc::clone(self.store()).event_store() else {
            return Ok(OperatorAnswer::Events { rows: Vec::new(), next: None, head: None });
        };
        let subject = match of {
            Some(user) => Some(self.subject(&user).await?),
            None => None,
        };
        // Before the events: so none is missing that it speaks of.
        let head = trail.trail_head().await.map_err(OperatorError::of_store)?;
        let mut page = Rows::new();
        loop {
            let found = trail.events_after(after, PAGE).await.map_err(OperatorError::of_store)?;
            let is_last = found.len() < PAGE;
            for record in found {
                if page.is_full() {
                    return Ok(OperatorAnswer::Events { rows: page.rows, next: Some(after), head });
                }
                after = record.number;
                let is_wanted = subject.as_ref().is_none_or(|it| record.event.subject.as_ref() == Some(it))
                    && event.as_ref().is_none_or(|it| record.event.event == *it);
                if is_wanted {
                    page.push(record);
                }
            }
            if is_last {
                return Ok(OperatorAnswer::Events { rows: page.rows, next: None, head });
            }
            yield_now().await;
        }
    }

    async fn revoke(&self, ids: Vec<SessionId>) -> Answered {
        let (mut under_way, mut count) = (JoinSet::new(), 0);
        for id in ids {
            if under_way.len() >= AT_ONCE {
                count += joined(under_way.join_next().await)?;
            }
            let sessions = Arc::clone(&self.sessions);
            under_way.spawn(caused_by(CAUSE, async move { sessions.revoke(id).await }));
        }
        while !under_way.is_empty() {
            count += joined(under_way.join_next().await)?;
        }
        self.revoked(count).await
    }

    async fn revoked(&self, count: u64) -> Answered {
        self.sessions.flush().await.map_err(OperatorError::of_store)?;
        Ok(OperatorAnswer::Revoked { count })
    }

    /// Returns the subject that is meant: the text itself if it is the id of an account or the subject of a
    /// session, or else the id of the account of this name.
    ///
    /// In this order: somebody may take the id of another account as a name.
    #[cfg(feature = "accounts")]
    async fn subject(&self, named: &str) -> Result<String, OperatorError> {
        let Some(accounts) = &self.accounts else { return Ok(named.into()) };
        let is_id = match named.parse() {
            Ok(id) => accounts.by_id(id).await.map_err(OperatorError::of_store)?.is_some(),
            Err(_) => false,
        };
        let own = self.store().sessions_of(named.into()).await.map_err(OperatorError::of_store)?;
        if is_id || !own.is_empty() {
            return Ok(named.into());
        }
        let found = accounts.by_name(named).await.map_err(OperatorError::of_store)?;
        Ok(found.map_or_else(|| named.to_owned(), |account| account.id.to_string()))
    }

    /// The same, if somebody is known by that name: who mistypes a name must not believe that it was done.
    ///
    /// Of another service's users nobody knows all ([`Compat`](crate::Compat)), so there any will do.
    pub(super) async fn known_subject(&self, named: &str) -> Result<String, OperatorError> {
        let subject = self.subject(named).await?;
        #[cfg(feature = "accounts")]
        let is_account = match (&self.accounts, subject.parse()) {
            (Some(accounts), Ok(id)) => accounts.by_id(id).await.map_err(OperatorError::of_store)?.is_some(),
            _ => false,
        };
        #[cfg(not(feature = "accounts"))]
        let is_account = false;
        if is_account || self.sessions.knows_foreign_subjects() {
            return Ok(subject);
        }
        let own = self.store().sessions_of(subject.clone()).await.map_err(OperatorError::of_store)?;
        if own.is_empty() {
            return Err(OperatorError::Refused(format!(
                "nobody is known as {named:?}: no account has this name or id, and no session this subject"
            )));
        }
        Ok(subject)
    }

    /// Without accounts, a user is named by the subject alone.
    #[cfg(not(feature = "accounts"))]
    #[expect(clippy::unused_async, reason = "accounts are looked up")]
    async fn subject(&self, named: &str) -> Result<String, OperatorError> {
        Ok(named.into())
    }
}

fn missing(id: SessionId) -> OperatorError {
    OperatorError::Refused(format!("there is no session {id}: it may have expired and been swept"))
}

fn joined(
    done: Option<Result<Result<bool, SessionError>, tokio::task::JoinError>>,
) -> Result<u64, OperatorError> {
    match done {
        None => Ok(0),
        Some(Ok(revoked)) => revoked.map(u64::from).map_err(OperatorError::of_store),
        // It panicked, or the runtime is going down.
        Some(Err(_)) => Err(OperatorError::of_store(StoreError::Closed)),
    }
}

fn of_operate(error: OperateError) -> OperatorError {
    match error {
        OperateError::Stopped => OperatorError::Stopped,
        OperateError::NotOffered { .. } => OperatorError::Refused(error.to_string()),
        OperateError::Write(error) => OperatorError::failed("the file cannot be written", &error),
        error => OperatorError::failed("the store cannot be read", &error),
    }
}
