//! The keys of one kind of token: at most one signs, and a key verifies the tokens that name it.
//!
//! # Invariants
//!
//! 1. No two keys have the same name, and a token that names one means that one (J-8).
//! 2. A ring is changed as a whole: each verification or signature uses one state of it to the end.
//! 3. Each state has a number, so that tokens verified with an older state are recognised (R-10).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::error::KeyError;
use crate::key::{Key, MAX_KEYS};

/// Keys by name, which may change while tokens are verified.
#[derive(Debug)]
pub(crate) struct Ring {
    typ: &'static str,
    held: RwLock<Arc<Held>>,
    /// The epoch of `held`, readable without the lock.
    epoch: AtomicU64,
}

#[derive(Clone, Debug)]
pub(crate) struct Held {
    epoch: u64,
    keys: Vec<Named>,
    signs: Option<usize>,
}

/// A key, and the header of its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) key: Key,
    /// As written in a token, in base64url.
    pub(super) header: String,
}

impl Named {
    fn new(key: Key, typ: &str) -> Self {
        let header = format!(r#"{{"alg":"{}","typ":"{typ}","kid":"{}"}}"#, key.algorithm().name(), key.kid());
        Self { header: BASE64URL.encode(header), key }
    }
}

impl Held {
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn signs(&self) -> Option<&Named> {
        self.signs.map(|at| &self.keys[at])
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().map(|named| &named.key)
    }

    /// The key of a token whose header is written as we write it.
    pub(super) fn by_header(&self, header: &str) -> Option<&Named> {
        let is_it = |named: &&Named| named.header == header;
        self.signs().filter(is_it).or_else(|| self.keys.iter().find(is_it))
    }

    pub(super) fn by_kid(&self, kid: &str) -> Option<&Named> {
        self.keys.iter().find(|named| named.key.kid() == kid)
    }

    pub(super) fn named(&self) -> impl Iterator<Item = &Named> {
        self.keys.iter()
    }

    fn position(&self, kid: &str) -> Result<usize, KeyError> {
        let found = self.keys.iter().position(|named| named.key.kid() == kid);
        found.ok_or_else(|| KeyError::Unknown { kid: kid.into() })
    }

    fn add(&mut self, key: Key, typ: &str) -> Result<(), KeyError> {
        if self.by_kid(key.kid()).is_some() {
            return Err(KeyError::Known { kid: key.kid().into() });
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(KeyError::TooMany { max: MAX_KEYS });
        }
        self.keys.push(Named::new(key, typ));
        Ok(())
    }

    /// The position of a key that may be removed: not the one that signs.
    fn spare(&self, kid: &str) -> Result<usize, KeyError> {
        let at = self.position(kid)?;
        if self.signs == Some(at) { Err(KeyError::Signs { kid: kid.into() }) } else { Ok(at) }
    }
}

impl Ring {
    /// Makes a ring whose first key signs, if it can.
    pub(super) fn new(typ: &'static str, keys: Vec<Key>) -> Result<Self, KeyError> {
        let signs = keys.first().is_some_and(|key| key.check_signs().is_ok()).then_some(0);
        let ring = Self::verify_only(typ, keys)?;
        ring.change(|held| {
            held.signs = signs;
            Ok(())
        })?;
        Ok(ring)
    }

    pub(super) fn verify_only(typ: &'static str, keys: Vec<Key>) -> Result<Self, KeyError> {
        let mut held = Held { epoch: 0, keys: Vec::new(), signs: None };
        keys.into_iter().try_for_each(|key| held.add(key, typ))?;
        Ok(Self { typ, held: RwLock::new(Arc::new(held)), epoch: AtomicU64::new(0) })
    }

    pub(super) const fn typ(&self) -> &'static str {
        self.typ
    }

    pub(crate) fn held(&self) -> Arc<Held> {
        // OK because what is behind the lock is replaced in one step.
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Replaces the state, unless the change fails.
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let mut current = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Held::clone(&current);
        let done = change(&mut next)?;
        next.epoch += 1;
        self.epoch.store(next.epoch, Ordering::Release);
        *current = Arc::new(next);
        Ok(done)
    }

    /// Adds a key that verifies. Expired keys are removed first.
    pub(crate) fn add(&self, key: Key, now: u64) -> Result<(), KeyError> {
        self.change(|held| {
            let has_ended = |named: &Named| named.key.expiry().is_some_and(|end| end <= now);
            while let Some(at) = held.keys.iter().position(has_ended) {
                held.remove(at);
            }
            held.add(key, self.typ)
        })
    }

    /// Replaces all keys. None of the new ones signs.
    pub(crate) fn replace(&self, keys: Vec<Key>) -> Result<(), KeyError> {
        self.change(|held| {
            held.signs = None;
            held.keys.clear();
            keys.into_iter().try_for_each(|key| held.add(key, self.typ))
        })
    }

    pub(crate) fn sign_with(&self, kid: &str) -> Result<(), KeyError> {
        self.change(|held| {
            let at = held.position(kid)?;
            held.keys[at].key.check_signs()?;
            held.signs = Some(at);
            Ok(())
        })
    }

    /// Lets a key verify until `until`, or until its own expiry if that is sooner. Returns which.
    pub(crate) fn retire(&self, kid: &str, until: u64) -> Result<u64, KeyError> {
        self.change(|held| {
            let at = held.spare(kid)?;
            let key = held.keys[at].key.clone();
            let until = key.expiry().map_or(until, |end| end.min(until));
            held.keys[at].key = key.expires_at(until);
            Ok(until)
        })
    }

    pub(crate) fn remove(&self, kid: &str) -> Result<(), KeyError> {
        self.change(|held| {
            let at = held.spare(kid)?;
            held.remove(at);
            Ok(())
        })
    }
}

impl Held {
    fn remove(&mut self, at: usize) {
        self.keys.remove(at);
        // The one that signs is never removed, and may move up.
        self.signs = self.signs.map(|signs| if signs > at { signs - 1 } else { signs });
    }
}
