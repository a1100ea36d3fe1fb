//! Verifies passwords: one hash for every attempt, and nothing that reveals the reason of a refusal.

use std::net::IpAddr;
use std::sync::Arc;

use super::hasher::Line;
use super::name::Name;
use super::password::Password;
use super::throttle::{Attempt, Who};
use super::{Account, Accounts, throttled};
use crate::error::AccountError;
use crate::store::{PasswordHash, StoredAccount};

impl Accounts {
    /// Checks a name and a password, and notes the login. Pass the account to
    /// [`Auth::login`](crate::Auth::login).
    ///
    /// `peer` is the address that the attempt comes from: that of the socket, or the one that your own proxy
    /// reports. With `None`, failures are not counted by address. IPv6 addresses count by their first 64
    /// bits, and those with the same 48 bits together as ten.
    ///
    /// **Failures are slowed down**: those of an account from one address, those of an account from
    /// everywhere, and those of an address. After [5, 20 and 20](super::AccountsConfig::free_failures)
    /// failures each further one doubles a delay, from one second to [15
    /// minutes](super::AccountsConfig::max_delay). So an account can be tried about 100 times a day. A
    /// success resets the failures of the account. Otherwise one failure of an account is forgiven every 15
    /// minutes, and one of an address every minute.
    ///
    /// **Attackers lock nobody out.** From an address where the account logged in before, failures
    /// from elsewhere do not count. From any other, they count from the twentieth on. An address of a network
    /// of one's own may be that of a proxy, and all clients may have it: there, failures of other accounts
    /// delay nobody.
    ///
    /// Over a store that several processes share, such as `PostgresStore`, they count together, and a restart
    /// forgets nothing. Over any other, all of this is in bounded memory and lost with the process.
    ///
    /// The hash is renewed if [its parameters](super::AccountsConfig::argon2) have changed.
    ///
    /// # Errors
    ///
    /// - [`AccountError::InvalidCredentials`]: the name is unknown, the password wrong or the account
    ///   disabled. Each case takes one hash.
    /// - [`AccountError::RateLimited`]: too many failures. The password was not checked.
    /// - [`AccountError::Busy`], [`AccountError::Hashing`], [`AccountError::Random`] and
    ///   [`AccountError::Store`] if the check failed. That does not count as a failure.
    pub async fn verify(
        &self,
        name: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Account, AccountError> {
        let parsed = Name::parse(name).ok();
        let key = parsed.as_ref().map_or(name, |name| &name.key);
        let attempt = self.begin(Who::Login(key), peer).await?;
        let line = match (attempt.is_known(), attempt.is_crowded()) {
            (true, _) => Line::Known,
            (false, true) => Line::Crowd,
            (false, false) => Line::Login,
        };
        let found = match &parsed {
            Some(name) => self.0.store.account_by_key(name.key.clone()).await,
            None => Ok(None),
        };
        let checked = match found {
            Ok(found) if attempt.is_crowded() => {
                let checked = self.check_in_crowd(found, password, line, peer).await;
                if let Err(error @ AccountError::Busy) = checked {
                    // It stays charged: a password may have been tried.
                    return Err(error);
                }
                checked
            }
            Ok(found) => self.check(found, password, line, peer).await,
            Err(error) => Err(error.into()),
        };
        let (account, stale) = self.settle(attempt, checked).await?;
        let renewed = match stale {
            // The password is right. If the new hash fails, the next login tries again.
            Some(typed) => self.hasher().hash(line, typed).await.ok(),
            None => None,
        };
        self.note_login(account, renewed).await
    }

    pub(super) async fn begin(&self, who: Who<'_>, peer: Option<IpAddr>) -> Result<Attempt, AccountError> {
        let begun = self.0.throttle.begin(who, peer, self.0.sessions.now()).await?;
        begun.map_err(|wait| throttled(who.name(), peer, wait))
    }

    /// Reports the outcome of an attempt to the throttle.
    pub(super) async fn settle<T>(
        &self,
        attempt: Attempt,
        outcome: Result<T, AccountError>,
    ) -> Result<T, AccountError> {
        let now = self.0.sessions.now();
        match &outcome {
            Ok(_) => self.0.throttle.succeeded(attempt, now).await?,
            // It stays charged, as does an abandoned attempt.
            Err(AccountError::InvalidCredentials) => {}
            // If the store is down, it stays charged too: what was wrong first is what matters.
            Err(_) => drop(self.0.throttle.undone(attempt, now).await),
        }
        outcome
    }

    /// Checks a password at an address that may be a proxy, and where many have failed. Those who have logged
    /// in there before do not wait behind the others, so that attackers lock nobody out (M-4). That must not
    /// tell who they are (S-16): a wrong password of theirs waits for its answer in the line of the others
    /// too, and gets the same one.
    async fn check_in_crowd(
        &self,
        found: Option<StoredAccount>,
        typed: &str,
        line: Line,
        peer: Option<IpAddr>,
    ) -> Result<(StoredAccount, Option<Password>), AccountError> {
        if line == Line::Crowd {
            let checked = self.check(found, typed, line, peer).await;
            if matches!(checked, Err(AccountError::Busy)) {
                self.hasher().wait_as_for_a_hash().await;
            }
            return checked;
        }
        let Some(same) = Password::typed(typed) else { return self.check(found, typed, line, peer).await };
        let accounts = self.clone();
        let crowd = tokio::spawn(async move { accounts.hasher().check(Line::Crowd, same, None).await });
        let checked = self.check(found, typed, line, peer).await;
        if !matches!(checked, Err(AccountError::InvalidCredentials)) {
            crowd.abort();
            return checked;
        }
        match crowd.await {
            Ok(Err(AccountError::Busy)) => Err(AccountError::Busy),
            _ => checked,
        }
    }

    /// Checks a password, for one hash. Returns the account, and the password if it must be hashed again.
    pub(super) async fn check(
        &self,
        found: Option<StoredAccount>,
        typed: &str,
        line: Line,
        peer: Option<IpAddr>,
    ) -> Result<(StoredAccount, Option<Password>), AccountError> {
        let refused = |why: &'static str, account: Option<&StoredAccount>| {
            let account = account.map(|account| account.id.log_id());
            let address = peer.map(tracing::field::display);
            tracing::info!(target: "jwtauth", event = "password_refused", account, address, why);
            Err(AccountError::InvalidCredentials)
        };
        // No account has it, known or not.
        let Some(typed) = Password::typed(typed) else {
            return refused("too long, or not in UTF-8", found.as_ref());
        };
        let hash = found.as_ref().map(|account| account.hash.clone());
        let checked = self.hasher().check(line, typed.clone(), hash).await?;
        match found {
            None => refused("unknown name", None),
            Some(account) if !checked.matches => refused("wrong password", Some(&account)),
            Some(account) if !account.active => refused("disabled", Some(&account)),
            Some(account) => Ok((account, checked.stale.then_some(typed))),
        }
    }

    /// Writes the time of the login, and the new hash if there is one. The revision stays.
    async fn note_login(
        &self,
        mut account: StoredAccount,
        renewed: Option<PasswordHash>,
    ) -> Result<Account, AccountError> {
        let checked = account.hash.clone();
        loop {
            account.last_login = account.last_login.max(Some(self.0.sessions.now()));
            if let Some(hash) = &renewed {
                account.hash = hash.clone();
            }
            let (store, expected) = (Arc::clone(&self.0.store), account.revision);
            if self.0.sessions.change_account(store, account.clone(), expected, None, None).await? {
                let rehashed = renewed.is_some();
                tracing::debug!(target: "jwtauth", event = "password_accepted", account = account.id.log_id(), rehashed);
                return Ok(self.account_of(account));
            }
            // It was changed meanwhile, so the check may be outdated.
            let now = self.0.store.account(account.id).await?;
            account = now
                .filter(|now| now.active && now.hash == checked)
                .ok_or(AccountError::InvalidCredentials)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clock::ManualClock;
    use crate::store::MemoryStore;
    use crate::{AccountsConfig, JwtAuth};

    const PASSWORD: &str = "correct horse";
    const WRONG: &str = "another horse";

    /// S-16, M-4: where a proxy may be and attackers take all places, whoever was here before is let in, and
    /// a wrong password gets the answer that an unknown name gets.
    #[tokio::test]
    async fn s_16_m_4_a_crowd_does_not_tell_who_was_here_before() {
        let proxy = Some([10, 0, 0, 1].into());
        let clock = ManualClock::at(1_000_000);
        let jwtauth = JwtAuth::builder().secret(*b"a secret of the tests, 32 bytes.").clock(clock);
        let jwtauth = jwtauth.accounts(AccountsConfig::default()).build(MemoryStore::new()).unwrap();
        let accounts = jwtauth.accounts().unwrap();
        for name in ["ann", "bob", "eve"] {
            accounts.register(name, PASSWORD).await.unwrap();
            accounts.verify(name, PASSWORD, proxy).await.unwrap();
        }
        for number in 0..20 {
            let refused = accounts.verify(&format!("invented-{number}"), WRONG, proxy).await;
            assert!(matches!(refused, Err(AccountError::InvalidCredentials)), "{number}: {refused:?}");
        }
        let outcome = async |name: &str, password: &str| match accounts.verify(name, password, proxy).await {
            Ok(_) => "let in",
            Err(AccountError::InvalidCredentials) => "wrong",
            Err(AccountError::Busy) => "busy",
            Err(AccountError::RateLimited { .. }) => "wait",
            Err(error) => panic!("{error}"),
        };
        // As long as there is room, both are wrong.
        for name in ["ann", "nobody"] {
            assert_eq!(outcome(name, WRONG).await, "wrong", "{name}");
        }
        let flood = accounts.hasher().fill(Line::Crowd);
        for name in ["bob", "someone"] {
            let (started, before) = (Instant::now(), accounts.hasher().computed());
            assert_eq!(outcome(name, WRONG).await, "busy", "{name}");
            // One is hashed, and the other waits as long as that took.
            let waited = started.elapsed() >= accounts.hasher().last_took();
            assert!(waited || accounts.hasher().computed() > before, "{name}: {:?}", started.elapsed());
            // Nor do counts tell: each try has cost both the same.
            assert_eq!(outcome(name, WRONG).await, "busy", "{name}");
            assert_eq!(outcome(name, WRONG).await, "wait", "{name}");
        }
        assert_eq!(outcome("eve", PASSWORD).await, "let in", "whoever knows the password");
        drop(flood);
        assert_eq!(outcome("eve", PASSWORD).await, "let in");
        assert_eq!(outcome("eve", WRONG).await, "wrong");
    }
}
