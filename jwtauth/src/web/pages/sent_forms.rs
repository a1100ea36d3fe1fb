//! Forms of logins that are sent more than once, as by a second click on a slow line.
//!
//! A browser takes the answer to the last click, and drops the others. It never had the cookies of the first
//! one when it sent the second. So the session of the last one that came replaces those of the others, in
//! whatever order they are ready. Each form that is shown has a name of its own.
//!
//! What is known of a form is in memory, so the second click has to come to the same process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::accounts::Account;
use crate::error::{RandomError, SessionError};
use crate::id::{AccountId, SessionId, TokenId};
use crate::web::extract::auth::Auth;

/// How many logins are remembered.
const REMEMBERED: usize = 1_000;

/// The longest name of a form, in bytes.
pub(super) const MAX_NAME: usize = 64;

/// The logins of forms, the newest last.
#[derive(Default)]
pub(super) struct SentForms {
    arrivals: AtomicU64,
    logins: Mutex<VecDeque<FormLogin>>,
}

/// A form that was sent, by its name and when it came.
pub(super) struct SentForm {
    name: String,
    arrival: u64,
}

struct FormLogin {
    form: SentForm,
    account: AccountId,
    session: SessionId,
}

impl SentForms {
    /// Returns a name for a form that is about to be shown.
    pub(super) fn name() -> Result<String, RandomError> {
        TokenId::random().map(|name| name.to_string())
    }

    /// Notes that a form has come. Called before anything takes time.
    pub(super) fn arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Logs somebody in. The session is that of the form, which has one.
    pub(super) async fn log_in(
        &self,
        auth: &Auth,
        account: &Account,
        name: String,
        arrival: u64,
    ) -> Result<(), SessionError> {
        let session = auth.login(account).await?.id;
        if name.is_empty() || name.len() > MAX_NAME {
            return Ok(());
        }
        let login = FormLogin { form: SentForm { name, arrival }, account: account.id, session };
        match self.note(login) {
            Some(earlier) => auth.also_replace(earlier),
            // Nobody waits for this answer.
            None => auth.take_login_back(),
        }
        Ok(())
    }

    /// Notes a login. Returns the sessions of the same form that came earlier, or `None` if a later one has
    /// logged in already.
    fn note(&self, login: FormLogin) -> Option<Vec<SessionId>> {
        let mut logins = self.lock();
        let same = |other: &&FormLogin| other.form.name == login.form.name && other.account == login.account;
        if logins.iter().filter(same).any(|other| other.form.arrival > login.form.arrival) {
            return None;
        }
        let earlier = logins.iter().filter(same).map(|other| other.session).collect();
        if logins.len() == REMEMBERED {
            logins.pop_front();
        }
        logins.push_back(login);
        Some(earlier)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<FormLogin>> {
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N-33: whichever is ready first, the last that came counts. Other forms and accounts are not concerned.
    #[test]
    fn n_33_the_last_click_counts() {
        let forms = SentForms::default();
        let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        let note = |name: &str, arrival, account, session| {
            let form = SentForm { name: name.into(), arrival };
            forms.note(FormLogin { form, account, session: SessionId::from_bytes([session; 16]) })
        };
        let ids =
            |ids: &[u8]| Some(ids.iter().map(|id| SessionId::from_bytes([*id; 16])).collect::<Vec<_>>());
        assert_eq!(note("a", 2, ann, 1), ids(&[]));
        assert_eq!(note("a", 1, ann, 2), None, "it came before, and is ready later");
        assert_eq!(note("a", 1, bob, 3), ids(&[]));
        assert_eq!(note("b", 1, ann, 4), ids(&[]));
        assert_eq!(note("a", 3, ann, 5), ids(&[1]));
        assert_eq!(note("a", 4, ann, 6), ids(&[1, 5]));
        for arrival in 0..2 * REMEMBERED as u64 {
            note("c", arrival, bob, 7);
        }
        assert_eq!(forms.lock().len(), REMEMBERED);
    }
}
