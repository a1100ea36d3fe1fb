//! Forms that change a password and are sent more than once, as by a second click on a slow line.
//!
//! The first one has changed the password, so the old password of the second one is wrong. What was done is
//! told again, if it is the same form: it has the same name and is of the same account.
//!
//! What is known of a form is in memory, so the second click has to come to the same process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::sent_forms::MAX_NAME;
use crate::id::AccountId;

/// How many forms are remembered.
const REMEMBERED: usize = 1_000;

/// Since when a form may have changed the password, in Unix seconds.
type ChangedSince = Arc<tokio::sync::Mutex<Option<u64>>>;

/// The forms that have come, the newest last.
#[derive(Default)]
pub(super) struct PasswordForms(Mutex<VecDeque<PasswordForm>>);

struct PasswordForm {
    name: String,
    account: AccountId,
    changed_since: ChangedSince,
}

impl PasswordForms {
    /// Waits until no other request does what this form says. Returns since when one may have changed the
    /// password. A form without a name is another one each time.
    pub(super) async fn turn(&self, account: AccountId, name: String) -> OwnedMutexGuard<Option<u64>> {
        self.known(account, name).lock_owned().await
    }

    fn known(&self, account: AccountId, name: String) -> ChangedSince {
        if name.is_empty() || name.len() > MAX_NAME {
            return ChangedSince::default();
        }
        // OK because nothing under the lock can panic half-way, except an allocation, which aborts.
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = forms.iter().find(|form| form.name == name && form.account == account) {
            return Arc::clone(&form.changed_since);
        }
        let changed_since = ChangedSince::default();
        if forms.len() == REMEMBERED {
            forms.pop_front();
        }
        forms.push_back(PasswordForm { name, account, changed_since: Arc::clone(&changed_since) });
        changed_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_is_known_by_its_name_and_account() {
        let forms = PasswordForms::default();
        let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        *forms.turn(ann, "a".into()).await = Some(5);
        let long = "a".repeat(MAX_NAME + 1);
        for (account, name, since) in
            [(ann, "a", Some(5)), (bob, "a", None), (ann, "b", None), (ann, "", None), (ann, &long, None)]
        {
            let mut form = forms.turn(account, name.into()).await;
            assert_eq!(*form, since, "{name}");
            *form = Some(5);
        }
        assert_eq!((*forms.turn(ann, String::new()).await, *forms.turn(ann, long).await), (None, None));
        for number in 0..REMEMBERED {
            drop(forms.turn(bob, format!("c{number}")).await);
        }
        assert_eq!(*forms.turn(ann, "a".into()).await, None);
    }
}
