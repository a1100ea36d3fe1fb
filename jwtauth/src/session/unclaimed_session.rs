//! Sessions whose login is not over: nobody holds their tokens yet.

use std::sync::Arc;

use tracing::Instrument as _;

use super::Sessions;
use super::reporter::Reporter;
use super::uncounted_sessions::UncountedSession;
use crate::events::Event;
use crate::id::SessionId;
use crate::record::{Revocation, RevocationReason};
use crate::store::SessionStore;

impl Sessions {
    /// Follows a session that was just added until its login is over.
    pub(crate) fn unclaimed(&self, id: SessionId) -> UnclaimedSession {
        let revocation = Revocation { at: self.clock.now(), reason: RevocationReason::Requested };
        let (store, reporter) = (Arc::clone(&self.store), self.reporter.clone());
        UnclaimedSession { store, reporter, id, revocation, claimed: false, uncounted: None }
    }
}

/// A session whose login is not over. If it is dropped without [`Self::claim`], nobody has its tokens: it is
/// revoked.
#[must_use]
pub(crate) struct UnclaimedSession {
    store: Arc<dyn SessionStore>,
    reporter: Reporter,
    id: SessionId,
    revocation: Revocation,
    claimed: bool,
    /// Until it is revoked.
    pub(super) uncounted: Option<UncountedSession>,
}

impl UnclaimedSession {
    /// Notes that the login has succeeded.
    pub(crate) fn claim(mut self) {
        self.claimed = true;
    }
}

impl Drop for UnclaimedSession {
    fn drop(&mut self) {
        if self.claimed {
            return;
        }
        let (store, reporter, id) = (Arc::clone(&self.store), self.reporter.clone(), self.id);
        let Revocation { at, reason } = self.revocation;
        let uncounted = self.uncounted.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let revoked = async move {
                match store.revoke(id, Revocation { at, reason }).await {
                    Ok(true) => reporter.emit(Event::SessionRevoked { session: id, reason }, at).await,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(target: "jwtauth", session = id.log_id(), error = &error as &dyn std::error::Error, "a login failed, and its session could not be revoked");
                    }
                }
                drop(uncounted);
            };
            runtime.spawn(revoked.in_current_span());
        }
    }
}
