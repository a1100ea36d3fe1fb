//! Callers who were let in before: one look-up says who sends the same tokens again.
//!
//! # Invariants
//!
//! 1. Both tokens are compared in full. What was not verified, or not with this refresh token beside it, is
//!    not found.
//! 2. A caller is found only while everything that let them in would do so again: the token by keys, clock
//!    and time, and the record, which has not changed since (`SessionStore::stamp`) and has not expired.
//! 3. Only a request that changed nothing is kept: no rotation waits to be confirmed, and no cookie was set.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};

use super::Sessions;
use crate::record::Session;
use crate::token::access::{Access, Verified};
use crate::token::verified::Assurance;
use crate::user::SharedSession;

/// How many callers are kept: some 20 MB, if each has tokens of 1 kB in all and a user value of 1 kB.
const LEN: usize = 8192;

/// The largest user value that is kept with a caller, in bytes.
const MAX_USER: usize = 4 * 1024;

/// The callers by their access tokens.
pub(super) struct KnownCallers(Cache<AccessBytes, Arc<KnownCaller>, UnitWeighter, KeyedEnds>);

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
pub(crate) struct Beforehand {
    stamp: u64,
}

/// Which refresh token is beside an access token.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside<'r> {
    /// It does not matter: no cookie is read.
    Anything,
    /// This one, or none.
    Only(Option<&'r [u8]>),
}

#[derive(PartialEq, Eq)]
struct AccessBytes(Box<[u8]>);

/// A token that is looked for.
struct SoughtBytes<'t>(&'t [u8]);

impl Hash for AccessBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        SoughtBytes(&self.0).hash(state);
    }
}

/// The end of a signature is as random as the whole.
impl Hash for SoughtBytes<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(end) = self.0.last_chunk::<16>() {
            state.write_u128(u128::from_ne_bytes(*end));
        }
    }
}

impl Equivalent<AccessBytes> for SoughtBytes<'_> {
    fn equivalent(&self, key: &AccessBytes) -> bool {
        *self.0 == *key.0
    }
}

/// Hashes the 16 bytes at the end of a token with a key that nobody knows.
#[derive(Clone)]
struct KeyedEnds([u64; 2]);

struct KeyedEnd {
    key: [u64; 2],
    hash: u64,
}

impl BuildHasher for KeyedEnds {
    type Hasher = KeyedEnd;

    fn build_hasher(&self) -> KeyedEnd {
        KeyedEnd { key: self.0, hash: 0 }
    }
}

impl Hasher for KeyedEnd {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, number: u128) {
        let [low, high] = [number as u64 ^ self.key[0] ^ self.hash, (number >> 64) as u64 ^ self.key[1]];
        let product = u128::from(low) * u128::from(high);
        self.hash = (product as u64) ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

impl Default for KnownCallers {
    fn default() -> Self {
        let (one, other) = (RandomState::new(), RandomState::new());
        let keys = KeyedEnds([one.hash_one(0), other.hash_one(0)]);
        Self(Cache::with(LEN, LEN as u64, UnitWeighter, keys, DefaultLifecycle::default()))
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
    pub(crate) fn known_caller(&self, access: &[u8], beside: Beside<'_>) -> Option<Arc<SharedSession>> {
        let known = self.known_callers.0.get(&SoughtBytes(access))?;
        if let Beside::Only(refresh) = beside
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
                matches!(beside, Beside::Anything) && now < *ask_again_at && !session.use_is_due(now)
            }
        };
        let holds = is_good && session.is_live_at(now) && self.store.stamp(session.id) == Some(known.stamp);
        holds.then(|| Arc::clone(&known.session))
    }

    /// Begins to remember who sends an access token. To be called before its session is looked at.
    pub(crate) fn beforehand(&self, access: &Verified<Access>) -> Option<Beforehand> {
        let Verified::Valid(access) = access else { return None };
        // Tokens of another service are on a list of their own.
        let session = access.names().filter(|_| access.origin.is_none() && !self.has_compat())?;
        self.store.stamp(session).map(|stamp| Beforehand { stamp })
    }

    /// Remembers who sent an access token, with a refresh token of the same session or none.
    pub(crate) fn know_caller(
        &self,
        before: Option<Beforehand>,
        access: &str,
        refresh: Option<&str>,
        session: &Arc<Session>,
    ) {
        let Some(Beforehand { stamp }) = before.filter(|_| is_kept(session)) else { return };
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
        self.known_callers.0.insert(AccessBytes(token.as_bytes().into()), Arc::new(known));
    }
}
