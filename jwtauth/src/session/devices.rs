//! Sessions that continue on another device than the one of the login, so that a change is reported once, not
//! with each refresh.
//!
//! Kept in memory: the record only holds the first device. After a restart a change is reported again, and if
//! there were very many, one of a session that was not refreshed for long.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use quick_cache::unsync::Cache;

use crate::device::Device;
use crate::id::SessionId;
use crate::record::Session;

/// How many sessions are remembered: about 300 kB. Those that are refreshed again stay.
const MAX_CHANGED: usize = 4_096;

pub(super) struct ChangedDevices {
    /// For each session the device that was reported last, as a hash of its identifying fields.
    told: Mutex<Cache<SessionId, u64>>,
    state: RandomState,
}

impl Default for ChangedDevices {
    fn default() -> Self {
        Self { told: Mutex::new(Cache::new(MAX_CHANGED)), state: RandomState::new() }
    }
}

impl fmt::Debug for ChangedDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangedDevices").finish_non_exhaustive()
    }
}

impl ChangedDevices {
    /// Tells whether a device differs from that of the login and from the last one reported.
    pub(super) fn is_new(&self, session: &Session, device: &Device) -> bool {
        // OK because every change under the lock is one call.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !device.differs_from(&session.device) {
            told.remove(&session.id);
            return false;
        }
        let hash = self.state.hash_one((&device.app, &device.os, &device.model, &device.id));
        if told.get(&session.id) == Some(&hash) {
            return false;
        }
        told.insert(session.id, hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    fn device(app: &str) -> Device {
        Device { app: Some(app.into()), ..Device::default() }
    }

    #[test]
    fn each_change_is_told_once() {
        let changed = ChangedDevices::default();
        let session = Session { device: device("Firefox"), ..sample::session(1, "1") };
        for (app, new) in [
            ("Firefox", false),
            ("Chrome", true),
            ("Chrome", false),
            ("Safari", true),
            ("Firefox", false),
            ("Safari", true),
        ] {
            assert_eq!(changed.is_new(&session, &device(app)), new, "{app}");
        }
        let other = Session { device: device("Firefox"), ..sample::session(2, "1") };
        assert!(changed.is_new(&other, &device("Safari")));
        // A client that says nothing has not changed.
        assert!(!changed.is_new(&other, &Device::default()));
    }

    #[test]
    fn few_are_remembered_and_those_that_come_again() {
        let changed = ChangedDevices::default();
        let session = |number: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let device = device("Firefox");
            Session { id: SessionId::from_bytes(id), device, ..sample::session(1, "1") }
        };
        assert!(changed.is_new(&session(0), &device("Chrome")));
        for number in 1..=3 * MAX_CHANGED {
            assert!(changed.is_new(&session(number), &device("Chrome")));
            assert!(!changed.is_new(&session(0), &device("Chrome")), "after {number}");
        }
        let len = changed.told.lock().unwrap().len();
        assert!(len <= MAX_CHANGED, "{len}");
    }
}
