//! Callers who were let in before: one look-up says who sends the same tokens again.
//!
//! # Invariants
//!
//! 1. Both tokens are compared in full. What was not verified, or not with this refresh token beside it, is
//!    not found.
//! 2. A caller is found only while everything that let them in would do so again: the token by keys, clock
//!    and time, and the record, which has not changed since (`SessionStore::stamp`) and has not expired.
//! 3. Only a request that changed nothing is kept: no rotation waits to be confirmed, and no cookie was set.

use std::sync::Arc;

use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::Sessions;
use crate::record::Session;
use crate::token::access::{Access, Verified};
use crate::token::token_bytes::{KeyedEnds, SoughtBytes, TokenBytes};
use crate::token::verified::Assurance;
use crate::user::SharedSession;

/// How many callers are kept: some 20 MB, if each has tokens of 1 kB in all and a user value of 1 kB.
const LEN: usize = 8192;

/// The largest user value that is kept with a caller, in bytes.
const MAX_USER: usize = 4 * 1024;

/// The callers by their access tokens.
pub(super) struct KnownCallers(Cache<TokenBytes, Arc<KnownCaller>, UnitWeighter, KeyedEnds>);

/// Who sent a token, and for how long that is known.
pub(super) struct KnownCaller {
    /// The refresh token that was beside it.
    refresh: Option<Box<[u8]>>,
    good: Good,
    stamp: u64,
    session: Arc<SharedSession>,
}

/// What makes a token good, beside its session.
enum Good {
    /// It was signed by a key that is still here.
    Signed(Assurance),
    /// It is an API key, whose owner is to be asked for again at this time.
    ApiKey { ask_again_at: u64 },
}

/// What is to be remembered of a request, from before its session was looked at.
pub(crate) struct EarlierStamp {
    stamp: u64,
}

/// Which refresh token is beside an access token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CompanionToken<'r> {
    /// It does not matter: no cookie is read.
    Any,
    /// This one, or none.
    Only(Option<&'r [u8]>),
}

impl Default for KnownCallers {
    fn default() -> Self {
        let (hashes, lifecycle) = (KeyedEnds::default(), DefaultLifecycle::default());
        Self(Cache::with(LEN, LEN as u64, UnitWeighter, hashes, lifecycle))
    }
}

impl std::fmt::Debug for KnownCallers {
    /// Shows no token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnownCallers").finish_non_exhaustive()
    }
}

/// Tells whether the record may be used again as it is, and is small enough.
fn is_kept(session: &Session) -> bool {
    session.confirmed && session.user.as_ref().is_none_or(|user| user.len() <= MAX_USER)
}

impl Sessions {
    /// Returns the live session of an access token, if it was let in before with the same one beside it and
    /// nothing has changed since.
    pub(crate) fn known_caller(
        &self,
        access: &[u8],
        beside: CompanionToken<'_>,
    ) -> Option<Arc<SharedSession>> {
        let known = self.known_callers.0.get(&SoughtBytes(access))?;
        if let CompanionToken::Only(refresh) = beside
            && refresh.is_some()
            && refresh != known.refresh.as_deref()
        {
            return None;
        }
        let now = self.clock.now();
        let session = &known.session.session;
        let is_good = match &known.good {
            Good::Signed(assurance) => self.access.is_still_good(assurance, &self.access_expected(now)),
            // No key is read from a cookie.
            Good::ApiKey { ask_again_at } => {
                matches!(beside, CompanionToken::Any) && now < *ask_again_at && !session.use_is_due(now)
            }
        };
        let holds = is_good && session.is_live_at(now) && self.store.stamp(session.id) == Some(known.stamp);
        holds.then(|| Arc::clone(&known.session))
    }

    /// Begins to remember who sends an access token. To be called before its session is looked at.
    pub(crate) fn beforehand(&self, access: &Verified<Access>) -> Option<EarlierStamp> {
        let Verified::Valid(access) = access else { return None };
        // Tokens of another service are on a list of their own.
        let session = access.names().filter(|_| access.origin.is_none() && !self.has_compat())?;
        self.store.stamp(session).map(|stamp| EarlierStamp { stamp })
    }

    /// Remembers who sent an access token, with a refresh token of the same session or none.
    pub(crate) fn know_caller(
        &self,
        before: Option<EarlierStamp>,
        access: &str,
        refresh: Option<&str>,
        session: &Arc<Session>,
    ) {
        let Some(EarlierStamp { stamp }) = before.filter(|_| is_kept(session)) else { return };
        let Some(assurance) = self.access.assurance(access) else { return };
        self.remember(access, refresh, Good::Signed(assurance), stamp, session);
    }

    /// Remembers who sent an API key, until the application is asked for its owner again.
    pub(super) fn know_api_key(&self, stamp: u64, key: &str, session: &Arc<Session>, ask_again_at: u64) {
        if is_kept(session) {
            self.remember(key, None, Good::ApiKey { ask_again_at }, stamp, session);
        }
    }

    fn remember(&self, token: &str, refresh: Option<&str>, good: Good, stamp: u64, session: &Arc<Session>) {
        let refresh = refresh.map(|token| token.as_bytes().into());
        let session = Arc::new(SharedSession::new(Arc::clone(session)));
        let known = KnownCaller { refresh, good, stamp, session };
        self.known_callers.0.insert(token.into(), Arc::new(known));
    }
}
