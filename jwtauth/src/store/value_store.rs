//! Opaque values that expire, kept beside the sessions: for state that is not a session, such as poem's
//! own sessions, or what was revoked of tokens that another service has issued.
//!
//! # Invariants of every value store
//!
//! 1. An operation happens as a whole or not at all, and operations on one key take place one after the
//!    other.
//! 2. When a future that changes something resolves to `Ok`, the change is durable.
//! 3. A value that has expired is not returned, whether it was swept or not, and goes by itself in the end.
//! 4. A key that was removed takes no value for [`REMEMBERED`]: a slow request that read it before cannot
//!    bring it back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::requests::{LoginEffects, StoreFuture};
use crate::clock::TimeMark;
use crate::record::Session;

/// How long it is known that a key was removed: 1 hour, which a request takes hardly ever.
pub const REMEMBERED: Duration = Duration::from_secs(60 * 60);

/// Names a value: 32 bytes. What it is made from may be a secret, so it is a hash and never the thing itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueKey([u8; Self::LEN]);

impl ValueKey {
    /// The length of a key, in bytes.
    pub const LEN: usize = 32;

    /// Returns the key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Returns the short form that log lines carry.
    #[must_use]
    pub fn log_id(&self) -> String {
        format!("{:08x}", crc32fast::hash(&self.0))
    }
}

impl fmt::Debug for ValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueKey({})", self.log_id())
    }
}

/// What a value may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueUse {
    /// It was kept by a release that did not say it: its length and its form decide.
    #[default]
    Unsaid,
    /// It may let somebody in, as a session of poem does.
    MayLetIn,
    /// It only keeps somebody out: it says what was revoked, or used.
    KeepsOut,
}

/// A value that is to be kept.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewValue {
    /// Its name.
    pub key: ValueKey,
    /// What it is.
    pub bytes: Vec<u8>,
    /// When, in Unix seconds.
    pub now: u64,
    /// When it ends, in Unix seconds: it is there as long as `now < expires_at`.
    pub expires_at: u64,
    /// What it may do. By default it may let somebody in, so a restore ends it.
    pub value_use: ValueUse,
}

impl NewValue {
    /// Asks to keep `bytes` from `now` until just before `expires_at`. Both are Unix seconds.
    #[must_use]
    pub const fn new(key: ValueKey, bytes: Vec<u8>, now: u64, expires_at: u64) -> Self {
        Self { key, bytes, now, expires_at, value_use: ValueUse::MayLetIn }
    }

    /// Says that the value only keeps somebody out. So it stays when a backup is restored, or a store
    /// repaired: see [`rules::outlives_restore`](super::rules::outlives_restore).
    #[must_use]
    pub const fn keeps_out(mut self) -> Self {
        self.value_use = ValueUse::KeepsOut;
        self
    }
}

impl fmt::Debug for NewValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewValue")
            .field("key", &self.key)
            .field("len", &self.bytes.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What stands under a key: a value, or the mark of one that was removed. [`rules`](super::rules) say what it
/// is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredValue {
    /// When it expires, in Unix seconds.
    pub expires_at: u64,
    /// The value. `None` marks a key whose value was removed.
    pub bytes: Option<Vec<u8>>,
    /// What it may do.
    pub value_use: ValueUse,
}

impl From<NewValue> for StoredValue {
    fn from(new: NewValue) -> Self {
        Self { expires_at: new.expires_at, bytes: Some(new.bytes), value_use: new.value_use }
    }
}

/// Keeps opaque values until they expire. All times are Unix seconds.
///
/// Each method is one atomic step; a store keeps no more than live values, marks of removal and what has
/// expired and is on its way out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), jwtauth::error::StoreError> {
/// use jwtauth::SledStore;
/// use jwtauth::store::{NewValue, ValueKey, ValueStore as _};
///
/// # let directory = std::env::temp_dir().join(format!("jwtauth-values-{}", std::process::id()));
/// let store = SledStore::open(&directory).await?;
/// let key = ValueKey::from_bytes([7; 32]);
/// let value = NewValue::new(key, b"a cart".to_vec(), 100, 200);
/// assert!(store.save_value(value.clone()).await?);
/// assert_eq!(store.load_value(key, 199).await?.as_deref(), Some(&b"a cart"[..]));
/// assert_eq!(store.load_value(key, 200).await?, None);
///
/// assert!(store.remove_value(key, 150).await?);
/// assert!(!store.save_value(value).await?, "what was removed does not come back");
/// # drop(store);
/// # std::fs::remove_dir_all(&directory).unwrap();
/// # Ok(())
/// # }
/// ```
pub trait ValueStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the value, or `None` if there is none that is live at `now`. One that is damaged is an error,
    /// because it may say that something was revoked.
    fn load_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Keeps a value, in the place of the one before it. Returns `false`, and keeps nothing, if the key was
    /// removed no longer than [`REMEMBERED`] ago.
    fn save_value(&self, value: NewValue) -> StoreFuture<'_, bool>;

    /// Removes a value for good. Returns whether there was one that is live at `now`.
    fn remove_value(&self, key: ValueKey, now: u64) -> StoreFuture<'_, bool>;

    /// Adds a session as [`SessionStore::insert`](super::SessionStore::insert) does, and keeps a value that
    /// is new, in one step. Returns `None` then.
    ///
    /// If a value that is live at [`NewValue::now`] stands under the key, nothing happens, and its bytes are
    /// returned. If the key was removed no longer than [`REMEMBERED`] ago, nothing happens either, and no
    /// bytes are returned: `Some` of an empty vector. A store that keeps values and no sessions returns an
    /// error.
    fn insert_with_value(
        &self,
        session: Session,
        effects: LoginEffects,
        value: NewValue,
    ) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Returns what the store remembers of time: see
    /// [`SessionStore::time_mark`](super::SessionStore::time_mark).
    fn time_mark(&self) -> Arc<TimeMark> {
        Arc::default()
    }
}
