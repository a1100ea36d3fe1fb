//! Logins, in two steps: the session first, and when that is committed what it does to other sessions.
//!
//! A commit that hangs cannot be stopped, and its caller is answered 503 meanwhile. So nothing may be in it
//! that throws anybody out. Other sessions are revoked when the new one is committed and its caller still
//! waits. Mostly there are none, and a login is one transaction, sent at once. With a login that is put off,
//! they are revoked when its answer leaves. What a login forgets goes after it too: it is over anyway.
//!
//! # Invariants
//!
//! 1. This process does not see a session before it stands: it is committed, and its caller waited then.
//!    Nobody else has its tokens.
//! 2. A session whose caller was gone before, or heard an error, is removed. If the database fails, it is
//!    removed when that is back. One that came with a value stays: a client that asks again with the same
//!    value gets it.
//! 3. A session that stands is removed only if its caller hears the error: one who stopped waiting may have
//!    been told that it stands.
//! 4. A session that does not stand crowds nobody out.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::super::requests::LoginEffects;
use super::super::rules::{self, LoginOutcome};
use super::super::value_store::{NewValue, StoredValue};
use super::Database;
use super::freshness::Touched;
use super::rows;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::record::Session;

/// How often the removal of a session is tried that nobody has, and the longest pause in between: a quarter
/// of an hour in all. What stays after that expires by itself, and nobody has its tokens.
const REMOVALS: u32 = 40;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many sessions may wait for their removal.
const MAX_DISOWNED: usize = 10_000;

/// A login.
#[derive(Clone)]
pub(super) struct NewLogin {
    session: Session,
    effects: LoginEffects,
    unsettled: Arc<Unsettled>,
}

/// What is left to do for a login whose session was added.
struct OpenedLogin {
    /// Other sessions, which have to be revoked.
    revoked: Vec<SessionId>,
    /// Sessions that have to be removed.
    forgotten: Vec<SessionId>,
}

/// Adds the session.
struct Open(NewLogin);

/// Revokes other sessions: mostly these, which a look before has found. Returns whether this one stands: one
/// that was revoked meanwhile crowds nobody out.
struct Evict(NewLogin, Vec<SessionId>);

/// Keeps the value, and adds the session. Or returns what stood there before.
struct OpenWithValue(NewLogin, NewValue);

/// Removes sessions of a subject that are over.
struct Forget(Vec<SessionId>, String);

/// Removes a session that nobody has.
struct Disown(SessionId, String);

impl NewLogin {
    /// Adds the session and commits that, in one round trip.
    async fn open(&self, transaction: &mut Transaction<'_>) -> Result<OpenedLogin, StepError> {
        let Self { session, effects, .. } = self;
        let statements = transaction.statements();
        transaction.lock_subject(&session.subject);
        transaction.write(&statements.put_session, rows::session_params(session)?);
        if let Some(access_ttl) = effects.register {
            for token in rules::first_tokens(session, access_ttl) {
                transaction.put_token(session.generation, token)?;
            }
        }
        let mut others = Vec::new();
        if effects.max_sessions.is_some() {
            let params = vec![session.subject.as_bytes().into()];
            let found = transaction.query_and_commit(&statements.sessions_of, params).await?;
            others = self.crowd(&found)?;
        }
        let outcome = rules::login(session, &others, effects);
        Ok(OpenedLogin { revoked: revoked_by(&outcome), forgotten: outcome.forgotten })
    }

    /// Reads the sessions of the subject, with this one.
    fn crowd(&self, found: &[Row]) -> Result<Vec<Session>, StepError> {
        let mut crowd = rows::sessions(found)?;
        self.unsettled.keep_visible(&mut crowd);
        Ok(crowd)
    }
}

impl DatabaseStep for Open {
    type Outcome = OpenedLogin;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<OpenedLogin, StepError> {
        self.0.open(transaction).await
    }
}

impl DatabaseStep for Evict {
    type Outcome = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        let Self(login, expected) = self;
        let NewLogin { session, effects, .. } = login;
        let statements = transaction.statements();
        transaction.lock_subject(&session.subject);
        // With the look at all of them: one round trip.
        transaction.write(&statements.lock_sessions, vec![rows::ids(expected.iter().copied())]);
        let mut effects = effects.clone();
        let is_counted = effects.max_sessions.is_some();
        if is_counted {
            transaction.write(&statements.sessions_of, vec![session.subject.as_bytes().into()]);
        }
        let mut found = transaction.send().await?;
        let crowd = if is_counted { found.pop() } else { None };
        let others = login.crowd(&crowd.unwrap_or_default())?;
        let stands = !is_counted || stands_among(&others, session.id).is_some();
        if !stands {
            // A login that came later has crowded this one out, so it crowds nobody out.
            effects.max_sessions = None;
        }
        let outcome = rules::login(session, &others, &effects);
        let mut locked = found.pop().unwrap_or_default();
        let mut unexpected = revoked_by(&outcome);
        unexpected.retain(|id| !expected.contains(id));
        if !unexpected.is_empty() {
            let params = vec![rows::ids(unexpected)];
            locked.extend(transaction.query(&statements.lock_sessions, params).await?);
        }
        for row in locked {
            let Some(mut other) = rows::readable_session(&row)? else { continue };
            let how = outcome.revoked.iter().find(|(id, _)| *id == other.id);
            if how.is_some_and(|(_, revocation)| other.revoke(*revocation)) {
                transaction.change_session(&other)?;
            }
        }
        Ok(stands)
    }
}

fn revoked_by(outcome: &LoginOutcome) -> Vec<SessionId> {
    outcome.revoked.iter().map(|(id, _)| *id).collect()
}

/// Returns a session that was not revoked.
fn stands_among(sessions: &[Session], id: SessionId) -> Option<&Session> {
    sessions.iter().find(|session| session.id == id && session.revoked.is_none())
}

impl DatabaseStep for OpenWithValue {
    type Outcome = Result<OpenedLogin, Vec<u8>>;

    fn touches(&self) -> Touched {
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Self::Outcome, StepError> {
        let Self(login, new) = self;
        if let Some(before) = transaction.take_place(new).await? {
            if let Some(occupant) = rules::occupant(Some(&before), new.now) {
                return Ok(Err(occupant));
            }
            let params = rows::value_params(new.key, &new.clone().into())?;
            transaction.write(&transaction.statements().change_value, params);
        }
        login.open(transaction).await.map(Ok)
    }
}

impl Transaction<'_> {
    /// Keeps a value where there is none. Otherwise returns what stands there, and nobody else changes that
    /// before this transaction ends.
    pub(super) async fn take_place(&mut self, new: &NewValue) -> Result<Option<StoredValue>, StepError> {
        let params = rows::value_params(new.key, &new.clone().into())?;
        if self.found(&self.statements().add_value, params).await? {
            return Ok(None);
        }
        let params = vec![new.key.as_bytes()[..].into()];
        let rows = self.query(&self.statements().lock_value, params).await?;
        // Swept between these two.
        let row = rows.first().ok_or(StepError::Overtaken)?;
        rows::value(row).map(|(_, before)| Some(before))
    }
}

impl DatabaseStep for Forget {
    type Outcome = ();

    fn touches(&self) -> Touched {
        // Only what is over anyway.
        Touched::Nothing
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        transaction.lock_subject(&self.1);
        transaction.remove_sessions(&self.0);
        Ok(())
    }
}

impl DatabaseStep for Disown {
    type Outcome = ();

    fn touches(&self) -> Touched {
        Touched::One(self.0)
    }

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        // The login may be under way still, and holds this then.
        transaction.lock_subject(&self.1);
        transaction.remove_sessions(&[self.0]);
        transaction.forget_subjects(vec![self.1.as_bytes().to_vec()]);
        Ok(())
    }
}

/// The sessions of logins that are under way.
#[derive(Default)]
pub(super) struct Unsettled {
    hidden: Mutex<HashSet<SessionId>>,
    /// Those that stand, while others are revoked for them.
    standing: Mutex<HashSet<SessionId>>,
}

/// OK because every change under a lock is one call.
fn lock(ids: &Mutex<HashSet<SessionId>>) -> MutexGuard<'_, HashSet<SessionId>> {
    ids.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unsettled {
    pub(super) fn hides(&self, id: SessionId) -> bool {
        let hidden = lock(&self.hidden);
        !hidden.is_empty() && hidden.contains(&id)
    }

    pub(super) fn stands(&self, id: SessionId) -> bool {
        lock(&self.standing).contains(&id)
    }

    pub(super) fn keep_visible(&self, sessions: &mut Vec<Session>) {
        let hidden = lock(&self.hidden);
        sessions.retain(|session| !hidden.contains(&session.id));
    }

    fn hide(&self, id: SessionId) {
        lock(&self.hidden).insert(id);
    }

    fn show(&self, id: SessionId) {
        lock(&self.hidden).remove(&id);
    }

    /// Lets a session stand if its caller waits. One who gives up later than this is too late.
    fn settle<T>(&self, id: SessionId, caller: &oneshot::Sender<T>) -> bool {
        let mut hidden = lock(&self.hidden);
        let waits = !caller.is_closed();
        if waits {
            lock(&self.standing).insert(id);
            hidden.remove(&id);
        }
        waits
    }
}

impl Database {
    pub(super) async fn login(
        self: &Arc<Self>,
        session: Session,
        effects: LoginEffects,
    ) -> Result<(), StoreError> {
        let login = self.new_login(session, effects);
        let (database, own) = (Arc::clone(self), login.clone());
        let opened = async move { database.carry_out(&Open(own)).await.map(Ok::<_, ()>) };
        self.open(login, false, opened).await.map(|_| ())
    }

    pub(super) async fn login_with_value(
        self: &Arc<Self>,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let login = self.new_login(session, effects);
        let (database, own) = (Arc::clone(self), login.clone());
        let opened = async move { database.carry_out(&OpenWithValue(own, value)).await };
        self.open(login, true, opened).await.map(Result::err)
    }

    /// Does to other sessions what a login does, when its answer leaves. Returns the session, if it stands.
    pub(super) async fn hand_out(
        self: &Arc<Self>,
        session: Session,
        effects: LoginEffects,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let params = vec![session.subject.as_bytes().into()];
        let mut crowd = rows::sessions(&self.read(&self.statements.sessions_of, params).await?)?;
        self.unsettled.keep_visible(&mut crowd);
        let Some(own) = stands_among(&crowd, session.id).cloned() else { return Ok(None) };
        // Mostly one round trip is enough. Of two logins that leave at once, one sees the other.
        let revoked = revoked_by(&rules::login(&session, &crowd, &effects));
        let stands =
            revoked.is_empty() || self.change(Evict(self.new_login(session, effects), revoked)).await?;
        Ok(stands.then(|| Arc::new(own)))
    }

    fn new_login(&self, session: Session, effects: LoginEffects) -> NewLogin {
        NewLogin { session, effects, unsettled: Arc::clone(&self.unsettled) }
    }

    /// Opens a session on a task of its own, and waits for it as long as anybody should.
    async fn open<O: Send + 'static>(
        self: &Arc<Self>,
        login: NewLogin,
        stays: bool,
        opened: impl Future<Output = Result<Result<OpenedLogin, O>, StoreError>> + Send + 'static,
    ) -> Result<Result<(), O>, StoreError> {
        let (caller, answer) = oneshot::channel();
        let database = Arc::clone(self);
        if !stays {
            database.unsettled.hide(login.session.id);
        }
        tokio::spawn(async move {
            let (id, unsettled) = (login.session.id, &database.unsettled);
            let done = match opened.await {
                Ok(Err(occupant)) => Ok(Err(occupant)),
                Ok(Ok(_)) if !unsettled.settle(id, &caller) => Err(StoreError::Closed),
                Ok(Ok(opened)) => database.complete(&login, opened).await.map(Ok),
                Err(error) => Err(error),
            };
            let is_removed = done.is_err() && !stays;
            if is_removed {
                // Before its caller hears of it.
                unsettled.hide(id);
            }
            let is_heard = caller.send(done).is_ok();
            let stood = lock(&unsettled.standing).remove(&id);
            if is_removed && stood && !is_heard {
                unsettled.show(id);
            } else if is_removed {
                database.disown(id, login.session.subject);
            }
        });
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(done) => done.unwrap_or(Err(StoreError::Closed)),
            Err(_) => Err(StoreError::TimedOut { after: self.timeout }),
        }
    }

    /// Does what is left to do for a login that stands.
    async fn complete(&self, login: &NewLogin, opened: OpenedLogin) -> Result<(), StoreError> {
        if !opened.revoked.is_empty() {
            self.carry_out(&Evict(login.clone(), opened.revoked)).await?;
        }
        if !opened.forgotten.is_empty() {
            let forget = Forget(opened.forgotten, login.session.subject.clone());
            // If it fails, the next login of the subject does it.
            let _ = self.carry_out(&forget).await;
        }
        Ok(())
    }

    /// Removes a session that nobody has, now or when the database is back.
    fn disown(self: &Arc<Self>, id: SessionId, subject: String) {
        let mut hidden = lock(&self.unsettled.hidden);
        if hidden.len() >= MAX_DISOWNED {
            hidden.remove(&id);
            return;
        }
        hidden.insert(id);
        drop(hidden);
        let database = Arc::clone(self);
        tokio::spawn(async move {
            let step = Disown(id, subject);
            let mut pause = Duration::from_millis(100);
            for _ in 0..REMOVALS {
                if database.carry_out(&step).await.is_ok() {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            database.unsettled.show(id);
        });
    }
}
