//! Forms of logins that are sent more than once, as by a second click on a slow line.
//!
//! Each form that is shown has a name of its own. Whichever answer the browser takes, its session is good.
//! The first page that it shows ends the sessions of the same form that nobody has used: see [`SameForm`].
//!
//! What is known of a form is in memory, so the second click has to come to the same process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::accounts::Account;
use crate::error::{RandomError, SessionError};
use crate::id::{AccountId, SessionId, TokenId};
use crate::record::RevocationReason;
use crate::session::{SameForm, Sessions};
use crate::web::extract::auth::Auth;

/// How many forms are remembered.
const REMEMBERED: usize = 1_000;

/// The longest name of a form, in bytes.
pub(super) const MAX_NAME: usize = 64;

/// The forms that somebody has logged in by, the newest last.
#[derive(Default)]
pub(super) struct SentForms(Mutex<VecDeque<SentForm>>);

struct SentForm {
    name: String,
    account: AccountId,
    logins: Arc<SameForm>,
}

impl SentForms {
    /// Returns a name for a form that is about to be shown.
    pub(super) fn name() -> Result<String, RandomError> {
        TokenId::random().map(|name| name.to_string())
    }

    /// Logs somebody in by a form, which has a name unless the application has made it.
    pub(super) async fn log_in(
        &self,
        auth: &Auth,
        account: &Account,
        name: String,
    ) -> Result<(), SessionError> {
        auth.login(account).await?;
        if !name.is_empty() && name.len() <= MAX_NAME {
            auth.logged_in_by(self.logins_of(name, account.id));
        }
        Ok(())
    }

    /// Notes that a session was used, and revokes those of the same form that were not.
    pub(super) async fn end_unused(&self, sessions: &Sessions, used: SessionId) -> Result<(), SessionError> {
        let found = self.lock().iter().rev().find_map(|form| {
            let unused = form.logins.unused_beside(used)?;
            Some((Arc::clone(&form.logins), unused))
        });
        let Some((logins, unused)) = found else { return Ok(()) };
        for other in unused {
            // Where no page of these is shown, it may be in use: then its tokens are renewed.
            if sessions.find(other).await?.is_some_and(|session| session.generation == 0) {
                sessions.revoke_for(other, RevocationReason::Replaced).await?;
            }
            logins.forget(other);
        }
        Ok(())
    }

    /// Returns the logins of a form by an account.
    fn logins_of(&self, name: String, account: AccountId) -> Arc<SameForm> {
        let mut forms = self.lock();
        if let Some(form) = forms.iter().rev().find(|form| form.name == name && form.account == account) {
            return Arc::clone(&form.logins);
        }
        if forms.len() == REMEMBERED {
            forms.pop_front();
        }
        let logins = Arc::default();
        forms.push_back(SentForm { name, account, logins: Arc::clone(&logins) });
        logins
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SentForm>> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-33: other forms and accounts are not concerned, and no more is remembered than was said.
    #[test]
    fn n_33_a_form_is_known_by_its_name_and_account() {
        let forms = SentForms::default();
        let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let a = forms.logins_of("a".into(), ann);
        assert!(Arc::ptr_eq(&a, &forms.logins_of("a".into(), ann)));
        assert!(!Arc::ptr_eq(&a, &forms.logins_of("a".into(), bob)));
        assert!(!Arc::ptr_eq(&a, &forms.logins_of("b".into(), ann)));
        for form in 0..2 * REMEMBERED {
            let _ = forms.logins_of(form.to_string(), bob);
        }
        assert_eq!(forms.lock().len(), REMEMBERED);
        assert!(!Arc::ptr_eq(&a, &forms.logins_of("a".into(), ann)), "it was forgotten");
    }
}
