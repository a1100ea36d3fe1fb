//! The core of a store: [`SessionStore`], and how it offers what is optional.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::account_store::AccountStore;
use super::compact_store::CompactStore;
use super::counter_store::CounterStore;
use super::event_store::EventStore;
use super::requests::{
    LoginEffects, RotationRequest, StoreFuture, StoreSize, SubjectRevocation, Swept, TokenRevocation,
    UserUpdate,
};
use super::session_pages::SessionPages;
use super::token_store::TokenStore;
use super::value_store::ValueStore;
use super::whole_store::WholeStore;
use crate::clock::TimeMark;
use crate::id::SessionId;
use crate::record::{Revocation, Rotation, Session};

/// Keeps sessions. All times are Unix seconds.
///
/// Each method is one atomic step; see the [module documentation](super) for what that means, and
/// [`rules`](super::rules) for what each one decides.
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a new session and carries out [`rules::login`](super::rules::login), in one step.
    fn insert(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, ()>;

    /// Tells, without waiting, whether a session stands whose [`insert`](Self::insert) has not returned yet:
    /// it can be seen, its caller waited then, and it is not undone unless the caller hears an error.
    /// Default: `false`, and then [`load`](Self::load) is asked.
    fn stands(&self, id: SessionId) -> bool {
        let _ = id;
        false
    }

    /// Carries out, in one step, what a login does to other sessions that was [put
    /// off](LoginEffects::put_off): its answer leaves now. `session` is the session as it was added. Nothing
    /// happens if it is not there any more, or was revoked. Returns its record as it is then.
    fn hand_out(&self, session: Session, effects: LoginEffects) -> StoreFuture<'_, Option<Arc<Session>>>;

    /// Returns the session, dead or alive, or `None` if there is none.
    ///
    /// Asked with every request of a logged-in user. Shared, so that a store may keep what it has read;
    /// what it keeps must never be older than an answer it has given.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Arc<Session>>>;

    /// Tells whether other processes change what this store keeps. Default: they do, which is always safe to
    /// say.
    ///
    /// Then nothing that was loaded is used for another request, unless [`stamp`](Self::stamp) allows it.
    /// Those who wait for the end of a session ask the store each second ([`over`](Self::over)).
    fn is_shared(&self) -> bool {
        true
    }

    /// Returns those of some sessions that are over at `now`: they are not there, revoked or expired. Asked
    /// each second of a store that [is shared](Self::is_shared), for the sessions of open connections.
    ///
    /// Default: loads one after the other. A store on a network asks once for all.
    fn over(&self, ids: Vec<SessionId>, now: u64) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            let mut over = Vec::new();
            for id in ids {
                if !self.load(id).await?.is_some_and(|session| session.is_live_at(now)) {
                    over.push(id);
                }
            }
            Ok(over)
        })
    }

    /// Returns a number that stands for the record as it is now, or `None` if it is being changed. Default:
    /// always `None`, and each request loads the record.
    ///
    /// Who asks for it, then loads the record, and hears the same number again later, may go on to use that
    /// record. So before a change can be seen, or is answered, this returns a number that it has never
    /// returned for the record, or `None`. It may do so without a change too. Asked with every request: it
    /// must not wait.
    fn stamp(&self, id: SessionId) -> Option<u64> {
        let _ = id;
        None
    }

    /// Runs [`rules::rotate`](super::rules::rotate) on the session and keeps the result.
    ///
    /// Returns what happened and the session after it, or `None` if there is no such session.
    fn rotate(&self, request: RotationRequest) -> StoreFuture<'_, Option<(Rotation, Session)>>;

    /// Runs [`Session::confirm`] on the session and keeps the result, without telling anybody: a client has
    /// shown a token of this generation, and waits for the answer to its request.
    ///
    /// Each change that is called after this one must find the session confirmed; a read may come before it.
    /// If the change cannot be kept, nothing happens: the next request of the client confirms it again.
    fn confirm(&self, id: SessionId, generation: u64);

    /// Revokes one session. Returns whether it was there and not revoked before.
    fn revoke(&self, id: SessionId, revocation: Revocation) -> StoreFuture<'_, bool>;

    /// Runs [`rules::revoke_subject`](super::rules::revoke_subject) on all sessions of a subject, in one
    /// step. Returns how many it has revoked.
    fn revoke_subject(&self, subject: String, revocation: SubjectRevocation) -> StoreFuture<'_, usize>;

    /// Runs [`rules::revoke_token`](super::rules::revoke_token) on the session and keeps the result. Returns
    /// what it returned; `false` without a session.
    fn revoke_token(&self, revocation: TokenRevocation) -> StoreFuture<'_, bool>;

    /// Returns all sessions of a subject that are still kept, dead or alive, in no particular order.
    fn sessions_of(&self, subject: String) -> StoreFuture<'_, Vec<Session>>;

    /// Runs [`rules::update_user`](super::rules::update_user) on all sessions of a subject, in one step.
    /// Returns how many it has changed.
    fn update_user(&self, subject: String, update: UserUpdate) -> StoreFuture<'_, usize>;

    /// Removes sessions that [have expired](super::rules::has_expired) at `now`, revoked ones included, and
    /// expired values if the store keeps any: at most `limit` in all.
    ///
    /// Only reclaims space: an expired session is refused whether it was swept or not (S-13).
    fn sweep(&self, now: u64, limit: usize) -> StoreFuture<'_, Swept>;

    /// Waits until everything done so far is durable. Called before a process exits.
    fn flush(&self) -> StoreFuture<'_, ()>;

    /// Returns how much the store keeps, without reading all of it. Default: it does not say.
    fn size(&self) -> StoreFuture<'_, Option<StoreSize>> {
        Box::pin(async { Ok(None) })
    }

    /// Tells whether every record was read since the store was opened, and nothing is wrong: a store may be
    /// used before that. Default: it needs no such thing.
    fn is_verified(&self) -> bool {
        true
    }

    /// Says why the store takes no changes at the moment, if it knows that. Reads may be answered all the
    /// same. Default: it does not say.
    fn failure(&self) -> Option<String> {
        None
    }

    /// Returns what the store remembers of time. All who use one store share it. A store that keeps it with
    /// each commit does not forget it when the program starts again. Default: it keeps none.
    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::default()
    }

    /// Returns where the program `jwtauth` looks for a socket of the server that has this store open: a path
    /// in a directory that belongs to the store alone. Default: none, so there is no socket.
    fn operator_socket(&self) -> Option<PathBuf> {
        None
    }

    /// Returns this store as one that keeps accounts too. Default: it keeps none.
    ///
    /// A store that implements [`AccountStore`] returns `Some(self)`. The builder's `accounts` needs one.
    fn account_store(self: Arc<Self>) -> Option<Arc<dyn AccountStore>> {
        None
    }

    /// Returns this store as one that keeps counters of failed logins too. Default: it keeps none, so each
    /// process counts those that it sees.
    ///
    /// A store that implements [`CounterStore`] returns `Some(self)`. One that several processes share
    /// should: otherwise attackers may guess more often the more processes there are.
    fn counter_store(self: Arc<Self>) -> Option<Arc<dyn CounterStore>> {
        None
    }

    /// Returns this store as one that keeps an audit trail too. Default: it keeps none.
    ///
    /// A store that implements [`EventStore`] returns `Some(self)`. The builder's
    /// [`keep_events`](crate::StorageConfig::keep_events) needs one.
    fn event_store(self: Arc<Self>) -> Option<Arc<dyn EventStore>> {
        None
    }

    /// Returns this store as one that lists all its sessions. Default: it does not.
    ///
    /// A store that implements [`SessionPages`] returns `Some(self)`. [`operate`](super::operate) needs one.
    fn session_pages(self: Arc<Self>) -> Option<Arc<dyn SessionPages>> {
        None
    }

    /// Returns this store as one that gives free space back while it is in use. Default: it does not.
    ///
    /// A store that implements [`CompactStore`] returns `Some(self)`.
    fn compact_store(self: Arc<Self>) -> Option<Arc<dyn CompactStore>> {
        None
    }

    /// Returns this store as one that keeps records of tokens too. Default: it keeps none.
    ///
    /// A store that implements [`TokenStore`] returns `Some(self)`. The builder's `token_registry` needs one.
    fn token_store(self: Arc<Self>) -> Option<Arc<dyn TokenStore>> {
        None
    }

    /// Returns this store as one that keeps values too. Default: it keeps none.
    ///
    /// A store that implements [`ValueStore`] returns `Some(self)`. [`Compat`](crate::Compat) needs one.
    fn value_store(self: Arc<Self>) -> Option<Arc<dyn ValueStore>> {
        None
    }

    /// Returns this store as one that gives all that it keeps. Default: it does not.
    ///
    /// A store that implements [`WholeStore`] returns `Some(self)`. A backup needs one.
    fn whole_store(self: Arc<Self>) -> Option<Arc<dyn WholeStore>> {
        None
    }
}
