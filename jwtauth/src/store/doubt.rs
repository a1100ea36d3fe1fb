//! What becomes of records that are *in doubt*: they may have changed in a part that is lost, and nobody
//! knows how. That is so of a backup, because of what happened after it, and of a store that has lost some
//! of what it acknowledged.
//!
//! Nobody is let in by such a record, unless whoever operates the store keeps it as it is. One rule for each
//! kind, for `restore`, `repair` and `import`:
//!
//! - A session is revoked. It stays, so that whoever lists sessions sees it and no import brings it back.
//! - A value ends that [may let somebody in](rules::outlives_restore). It goes with the sessions.
//! - An account is disabled, with its password and its roles, until somebody enables it.

use super::account_store::StoredAccount;
use super::rules;
use super::value_store::StoredValue;
use crate::record::{Revocation, RevocationReason, Session};

/// What is kept of what is in doubt.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Doubt {
    /// Whether sessions stay as they are, and values that may let somebody in.
    pub(in crate::store) keep_sessions: bool,
    /// Whether accounts stay as they are.
    pub(in crate::store) keep_accounts: bool,
    /// When it is decided, in Unix seconds.
    pub(in crate::store) now: u64,
}

impl Doubt {
    /// Revokes a session. Returns whether it was live.
    pub(in crate::store) fn settle_session(self, session: &mut Session) -> bool {
        if self.keep_sessions {
            return false;
        }
        let was_live = session.is_live_at(self.now);
        session.revoke(Revocation { at: self.now, reason: RevocationReason::Requested });
        was_live
    }

    /// Tells whether a value may stay.
    pub(in crate::store) fn keeps_value(self, value: &StoredValue) -> bool {
        self.keep_sessions || rules::outlives_restore(value)
    }

    /// Disables an account. Returns whether it was active.
    pub(in crate::store) fn settle_account(self, account: &mut StoredAccount) -> bool {
        !self.keep_accounts && std::mem::replace(&mut account.active, false)
    }
}
