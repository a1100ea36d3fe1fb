//! The end of a session, for connections that outlive the request that opened them.
//!
//! A request is checked when it comes in. A WebSocket or an event stream goes on for hours after that, so its
//! handler waits for the end of its session beside its work. A waiter looks at the record, and looks again
//!
//! - after each change of this process that may have ended the session, whether made, failed or abandoned;
//! - when the session reaches its limit, which a rotation may have moved meanwhile;
//! - after a change of another process that has ended it, if the store is shared: `watch` finds those;
//! - after [`LONGEST`] at the latest: a change was abandoned before it was made, and nobody could report it.
//!
//! # Invariants
//!
//! 1. The record decides, never a wake-up. A needless wake-up costs one look and ends nothing.
//! 2. A waiter enters before its first look, and a change wakes after it was made. So no end falls in
//!    between.
//! 3. A session has an entry only while somebody waits for it.
//! 4. A waiter keeps the store open only during a look.

mod watch;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::Sessions;
use crate::clock::Clock;
use crate::id::SessionId;
use crate::record::{RevocationReason, Session, SessionState};
use crate::store::SessionStore;

/// The longest time between two looks at a session.
const LONGEST: Duration = Duration::from_secs(30);

/// How soon to look again after a wake-up that ended nothing: an abandoned change may still be under way.
/// Doubles with each look, up to [`LONGEST`].
const IN_DOUBT: Duration = Duration::from_millis(100);

/// How soon to look again after the store failed.
const OUTAGE: Duration = Duration::from_secs(2);

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// Unknown: the last clone of [`JwtAuth`](crate::JwtAuth) was dropped. The session itself may continue
    /// when the program starts again.
    Closed,
    /// It reached its inactivity or absolute limit, or its record is gone, because expired sessions are
    /// swept.
    Expired,
    /// It was revoked.
    Revoked(RevocationReason),
}

#[doc = include_str!("../../docs/session_end.md")]
#[derive(Clone)]
pub struct SessionEnd {
    ends: Weak<Ends>,
    session: SessionId,
    /// `None` until a record was seen.
    subject: Option<Arc<str>>,
    /// When it is over for its caller, in Unix seconds, although the session may go on.
    until: Option<u64>,
}

impl SessionEnd {
    /// Waits until the session has ended, and returns how. Resolves at once if it has ended already.
    ///
    /// Cancel safe: a dropped future leaves nothing behind. It may be called again, and by many tasks at a
    /// time. The future borrows nothing. It needs a tokio runtime with time, as poem's server has.
    pub fn wait(&self) -> impl Future<Output = EndReason> + Send + use<> {
        let end = self.clone();
        async move { end.ended().await }
    }

    async fn ended(self) -> EndReason {
        let Some(place) = Place::take(&self) else { return EndReason::Closed };
        watch::start(&self.ends);
        let mut is_named = self.subject.is_some();
        let mut pause = LONGEST;
        loop {
            // Before the look, so that it hears of every change that the look does not see.
            let woken = place.woken.notified();
            let Some(ends) = self.ends.upgrade() else { return EndReason::Closed };
            let until = self.until.map_or(u64::MAX, |until| until.saturating_sub(ends.clock.now()));
            let until_limit = match ends.look(self.session).await {
                Look::Over(ended) => return ended,
                Look::Live(..) if until == 0 => return EndReason::Expired,
                Look::Live(session, left) => {
                    if !is_named {
                        is_named = true;
                        ends.name(self.session, session.subject.as_str().into());
                        // Its subject's sessions may have ended since.
                        continue;
                    }
                    left.min(Duration::from_secs(until))
                }
                Look::Nothing => OUTAGE,
            };
            drop(ends);
            pause = match timeout(pause.min(until_limit), woken).await {
                Ok(()) => IN_DOUBT,
                Err(_) => (2 * pause).min(LONGEST),
            };
        }
    }
}

impl fmt::Debug for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEnd").field("session", &self.session.log_id()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Returns a handle that tells when a session ends. An id that names no session has ended already.
    ///
    /// ```
    /// # async fn example(jwtauth: jwtauth::JwtAuth) -> Result<(), jwtauth::error::SessionError> {
    /// for session in jwtauth.sessions().list("42").await? {
    ///     let end = jwtauth.sessions().end_of(session.id);
    ///     tokio::spawn(async move { println!("ended: {:?}", end.wait().await) });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn end_of(&self, id: SessionId) -> SessionEnd {
        SessionEnd { ends: Arc::downgrade(&self.ends), session: id, subject: None, until: None }
    }

    /// Like [`Self::end_of`], for a session whose record is at hand.
    pub(crate) fn end_of_session(&self, session: &Session) -> SessionEnd {
        SessionEnd { subject: Some(session.subject.as_str().into()), ..self.end_of(session.id) }
    }

    /// Likewise, for a request that is late: it is let in for as long as an access token lives after the
    /// refresh (N-22), and what it opens does not last longer.
    pub(crate) fn end_of_late(&self, session: &Session) -> SessionEnd {
        let until = session.rotated_at.saturating_add(self.config.access_ttl.as_secs());
        SessionEnd { until: Some(until), ..self.end_of_session(session) }
    }
}

/// The waiters of each session, and what they look at.
#[derive(Debug)]
pub(super) struct Ends {
    store: Arc<dyn SessionStore>,
    clock: Arc<dyn Clock>,
    patience: Duration,
    waiting: Mutex<Waiting>,
    is_watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    sessions: HashMap<SessionId, WaitingSession>,
    /// The sessions of each subject, for when all of them end.
    subjects: HashMap<Arc<str>, HashSet<SessionId>>,
}

#[derive(Debug, Default)]
struct WaitingSession {
    woken: Arc<Notify>,
    places: usize,
    subject: Option<Arc<str>>,
}

enum Look {
    /// The session is alive, and how long it stays so if nothing more happens.
    Live(Arc<Session>, Duration),
    Over(EndReason),
    Nothing,
}

impl Ends {
    pub(super) fn new(store: Arc<dyn SessionStore>, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self { store, clock, patience, waiting: Mutex::default(), is_watched: AtomicBool::new(false) }
    }

    pub(super) fn follow<'a>(&'a self, sessions: MayEnd<'a>) -> PossibleEnd<'a> {
        PossibleEnd { ends: self, sessions }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, id: SessionId) -> Look {
        let Ok(Ok(found)) = timeout(self.patience, self.store.load(id)).await else {
            // Not logged here: each request that fails for the same reason is logged.
            return Look::Nothing;
        };
        let Some(session) = found else { return Look::Over(EndReason::Expired) };
        let now = self.clock.now();
        match session.state_at(now) {
            SessionState::Live => {
                let left = session.expires_at.min(session.absolute_expires_at).saturating_sub(now);
                Look::Live(session, Duration::from_secs(left))
            }
            SessionState::Expired => Look::Over(EndReason::Expired),
            SessionState::Revoked(reason) => Look::Over(EndReason::Revoked(reason)),
        }
    }

    fn enter(&self, id: SessionId, subject: Option<&Arc<str>>) -> Arc<Notify> {
        let mut waiting = self.lock();
        let entry = waiting.sessions.entry(id).or_default();
        entry.places += 1;
        let woken = Arc::clone(&entry.woken);
        if let Some(subject) = subject {
            waiting.name(id, Arc::clone(subject));
        }
        woken
    }

    fn name(&self, id: SessionId, subject: Arc<str>) {
        self.lock().name(id, subject);
    }

    fn leave(&self, id: SessionId) {
        self.lock().leave(id);
    }

    fn wake(&self, sessions: &MayEnd<'_>) {
        let woken = self.lock().find(sessions);
        for woken in woken {
            woken.notify_waiters();
        }
    }
}

impl Drop for Ends {
    /// Wakes all waiters, who then find that this is gone.
    fn drop(&mut self) {
        for entry in self.lock().sessions.values() {
            entry.woken.notify_waiters();
        }
    }
}

impl Waiting {
    /// Notes the subject of a session, which never changes.
    fn name(&mut self, id: SessionId, subject: Arc<str>) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        if entry.subject.is_none() {
            entry.subject = Some(Arc::clone(&subject));
            self.subjects.entry(subject).or_default().insert(id);
        }
    }

    fn leave(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        entry.places -= 1;
        if entry.places > 0 {
            return;
        }
        let subject = self.sessions.remove(&id).and_then(|entry| entry.subject);
        if let Some(subject) = subject
            && let Some(theirs) = self.subjects.get_mut(&subject)
        {
            theirs.remove(&id);
            if theirs.is_empty() {
                self.subjects.remove(&subject);
            }
        }
    }

    fn find(&self, sessions: &MayEnd<'_>) -> Vec<Arc<Notify>> {
        if self.sessions.is_empty() {
            return Vec::new();
        }
        let woken = |id| self.sessions.get(id).map(|entry| Arc::clone(&entry.woken));
        match *sessions {
            MayEnd::These(ids) => ids.iter().filter_map(woken).collect(),
            MayEnd::Of { subject, except } => {
                let theirs = self.subjects.get(subject).into_iter().flatten();
                theirs.filter(|id| Some(**id) != except).filter_map(woken).collect()
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum MayEnd<'a> {
    These(&'a [SessionId]),
    Of { subject: &'a str, except: Option<SessionId> },
}

/// A change that may end sessions. When it is over (made, failed or abandoned), the waiters look again.
#[derive(Debug)]
#[must_use]
pub(super) struct PossibleEnd<'a> {
    ends: &'a Ends,
    sessions: MayEnd<'a>,
}

impl PossibleEnd<'_> {
    /// Notes that the change was made and ended nothing, so that nobody looks in vain.
    pub(super) fn ended_nothing(self) {
        // OK because it owns nothing.
        std::mem::forget(self);
    }
}

impl Drop for PossibleEnd<'_> {
    fn drop(&mut self) {
        self.ends.wake(&self.sessions);
    }
}

/// A waiter's place for one session. Dropping it frees the place.
struct Place {
    ends: Weak<Ends>,
    session: SessionId,
    woken: Arc<Notify>,
}

impl Place {
    fn take(end: &SessionEnd) -> Option<Self> {
        let woken = end.ends.upgrade()?.enter(end.session, end.subject.as_ref());
        Some(Self { ends: Weak::clone(&end.ends), session: end.session, woken })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ends) = self.ends.upgrade() {
            ends.leave(self.session);
        }
    }
}

#[cfg(test)]
mod tests;
