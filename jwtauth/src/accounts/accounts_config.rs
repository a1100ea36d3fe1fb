//! Settings of accounts, with their bounds.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{RoleScopes, number_within, within};
use crate::error::{ConfigError, StoreError};
use crate::session::kept_role_scopes;
use crate::store::SessionStore;

#[doc = include_str!("../docs/accounts_config.md")]
#[derive(Clone, Debug)]
#[must_use]
pub struct AccountsConfig {
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
    /// `None`: as many as cores and memory allow.
    pub(super) hashers: Option<usize>,
    pub(super) waiting: usize,
    pub(super) min_password: usize,
    pub(super) account_failures: u32,
    pub(super) address_failures: u32,
    pub(super) max_delay: Duration,
    /// How many at once, and the time after which there may be one more.
    pub(super) registrations: (u32, Duration),
    pub(super) all_registrations: (u32, Duration),
    pub(crate) role_scopes: RoleScopes,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            memory: 19_456,
            passes: 2,
            lanes: 1,
            hashers: None,
            waiting: 256,
            min_password: 8,
            account_failures: 5,
            address_failures: 20,
            max_delay: Duration::from_secs(15 * 60),
            registrations: (30, Duration::from_secs(60)),
            all_registrations: (10_000, Duration::from_secs(1)),
            role_scopes: RoleScopes::default(),
        }
    }
}

/// Memory in KiB and passes that OWASP finds equally strong (Password Storage Cheat Sheet).
const ENOUGH: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl AccountsConfig {
    /// Sets the cost of a hash: the memory in KiB, the passes and the lanes of Argon2id.
    ///
    /// After a change, the hash of each account is renewed at its next login. Until then, the time that a
    /// wrong password takes distinguishes such an account from an unknown name.
    pub fn argon2(mut self, memory_kib: u32, passes: u32, lanes: u32) -> Self {
        (self.memory, self.passes, self.lanes) = (memory_kib, passes, lanes);
        self
    }

    /// Sets how many passwords are hashed at the same time. Each hasher uses the memory of
    /// [`argon2`](Self::argon2), and keeps it from its first password on.
    ///
    /// By default there is one for each core, as long as all together need no more than a quarter of the
    /// memory that the process may use: that of its control group (version 1 or 2), or of the machine. So two
    /// cores in a container of 128 MiB have one hasher of 19 MiB.
    pub fn hashers(mut self, hashers: usize) -> Self {
        self.hashers = Some(hashers);
        self
    }

    /// Sets how many more passwords may wait: those of logins, of registrations and of changes, so many each.
    /// Logins of accounts that have logged in from the same address before have a line of their own, and so
    /// have those from an address that may be a proxy and where many have failed.
    /// They take turns, so a flood of registrations does not keep logins out. Beyond that the answer is
    /// [`AccountError::Busy`](crate::error::AccountError::Busy).
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// Sets the length of the shortest password, in characters. The longest has 1024 bytes.
    ///
    /// Only the length is checked: rules for digits and symbols make passwords worse (NIST SP 800-63B,
    /// 3.1.1.2). Where a password is the only factor, that section requires 15 characters.
    pub fn min_password(mut self, characters: usize) -> Self {
        self.min_password = characters;
        self
    }

    /// Sets how many failures cause no delay: of one account from one address, and of all accounts from one
    /// address. Of one account from everywhere it is four times the first number. A network of IPv6 with 48
    /// bits has ten times the second one, from all its addresses: one customer may have 65,536 of them.
    ///
    /// Many clients behind a proxy that is not [trusted](crate::JwtAuthBuilder::trusted_proxy) have its
    /// address. So an address of a network of one's own (loopback, private, link-local) is never delayed for
    /// the failures of all accounts. Beyond the second number each account that fails there has one failure
    /// without a delay.
    pub fn free_failures(mut self, of_account: u32, from_address: u32) -> Self {
        (self.account_failures, self.address_failures) = (of_account, from_address);
        self
    }

    /// Sets the longest delay after a failure.
    ///
    /// Delays start at one second and double. After this time without a failure, one failure of an account is
    /// forgiven. So in the long run an account can be tried once in this time: with 15 minutes, about 110
    /// times on the first day and 96 times on each later day.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets how many accounts one address may [register](crate::Accounts::register_from) at once, and the
    /// time after which it may register one more. An attempt for a name that is taken counts too. A network
    /// of IPv6 with 48 bits has ten times as many at once, in a tenth of the time.
    ///
    /// A loopback, private or link-local address may be a proxy in front of many clients. It waits a tenth of
    /// the time.
    pub fn registrations(mut self, at_once: u32, one_more_after: Duration) -> Self {
        self.registrations = (at_once, one_more_after);
        self
    }

    /// Sets how many accounts all addresses together may register at once, and the time after which they may
    /// register one more. Without it an attacker with very many addresses could register accounts without
    /// end. With the default, at most 96,400 accounts are registered in a day. While the limit is reached,
    /// registrations of everybody are refused, except one after each such time.
    pub fn all_registrations(mut self, at_once: u32, one_more_after: Duration) -> Self {
        self.all_registrations = (at_once, one_more_after);
        self
    }

    /// Gives a role its scopes. An account has the scopes of all its roles: a login carries them, guards ask
    /// for them, and API keys may have any of them. The last call for a role counts.
    ///
    /// ```
    /// use jwtauth::AccountsConfig;
    ///
    /// let config = AccountsConfig::default()
    ///     .scopes_of("reader", ["notes:read"])
    ///     .scopes_of("editor", ["notes:read", "notes:write"]);
    /// ```
    ///
    /// A role that is given or taken away gives or takes its scopes, in live sessions and API keys too. Other
    /// scopes of a role here count for logins that come later, and for a session when the roles of its
    /// account are set. API keys lose what is gone within [`access_ttl`](crate::JwtAuthBuilder::access_ttl).
    pub fn scopes_of<S: Into<String>>(
        mut self,
        role: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.role_scopes.set(role.into(), scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Takes the scopes of roles from the server that has opened this store last, in place of those that were
    /// given. None, if no server has said any.
    ///
    /// A server writes them into the store when it starts, so that another program that changes accounts,
    /// such as `jwtauth`, takes no scopes away.
    ///
    /// # Errors
    ///
    /// A [`StoreError`] if they cannot be read.
    pub async fn scopes_kept_in(mut self, store: Arc<dyn SessionStore>) -> Result<Self, StoreError> {
        self.role_scopes = kept_role_scopes(store, SystemClock.now()).await?;
        Ok(self)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.role_scopes.check()?;
        number_within("AccountsConfig::argon2 (memory in KiB)", self.memory, 1, 1024 * 1024)?;
        number_within("AccountsConfig::argon2 (passes)", self.passes, 1, 16)?;
        number_within("AccountsConfig::argon2 (lanes)", self.lanes, 1, 16)?;
        let enough = |(memory, passes): &(u32, u32)| self.memory >= *memory && self.passes >= *passes;
        if !ENOUGH.iter().any(enough) {
            return Err(ConfigError::setting(
                "AccountsConfig::argon2",
                format!("{} KiB, {} passes", self.memory, self.passes),
                "it is too weak: take 19456 KiB and 2 passes, or another of OWASP's choices",
            ));
        }
        if let Some(hashers) = self.hashers {
            number_within("AccountsConfig::hashers", hashers, 1, 256)?;
        }
        number_within("AccountsConfig::waiting", self.waiting, 0, 10_000)?;
        number_within("AccountsConfig::min_password", self.min_password, 8, 64)?;
        number_within("AccountsConfig::free_failures (of an account)", self.account_failures, 1, 100)?;
        number_within("AccountsConfig::free_failures (from an address)", self.address_failures, 1, 100)?;
        let day = Duration::from_secs(24 * 60 * 60);
        let (least, (at_once, every)) = (Duration::from_millis(1), self.registrations);
        number_within("AccountsConfig::registrations (at once)", at_once, 1, 1_000_000)?;
        within("AccountsConfig::registrations (one more after)", every, least, day)?;
        let (at_once, every) = self.all_registrations;
        number_within("AccountsConfig::all_registrations (at once)", at_once, 1, 1_000_000)?;
        within("AccountsConfig::all_registrations (one more after)", every, least, day)?;
        within("AccountsConfig::max_delay", self.max_delay, Duration::from_secs(1), day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_good(set: impl FnOnce(AccountsConfig) -> AccountsConfig) -> bool {
        set(AccountsConfig::default()).check().is_ok()
    }

    /// S-16: the last good and the first bad value of each bound.
    #[test]
    fn s_16_settings_keep_to_their_bounds() {
        assert!(is_good(|config| config));
        for (memory, passes) in ENOUGH {
            assert!(is_good(|config| config.argon2(memory, passes, 1)), "{memory} {passes}");
            assert!(!is_good(|config| config.argon2(memory - 1, passes, 1)), "{memory} {passes}");
            assert!(!is_good(|config| config.argon2(memory, passes - 1, 1)), "{memory} {passes}");
        }
        assert!(is_good(|config| config.argon2(1024 * 1024, 16, 16)));
        assert!(!is_good(|config| config.argon2(1024 * 1024 + 1, 16, 16)));
        assert!(!is_good(|config| config.argon2(19_456, 17, 1)));
        assert!(
            !is_good(|config| config.argon2(19_456, 2, 17)) && !is_good(|config| config.argon2(19_456, 2, 0))
        );
        for (hashers, good) in [(0, false), (1, true), (256, true), (257, false)] {
            assert_eq!(is_good(|config| config.hashers(hashers)), good, "{hashers}");
        }
        for (waiting, good) in [(0, true), (10_000, true), (10_001, false)] {
            assert_eq!(is_good(|config| config.waiting(waiting)), good, "{waiting}");
        }
        for (length, good) in [(7, false), (8, true), (64, true), (65, false)] {
            assert_eq!(is_good(|config| config.min_password(length)), good, "{length}");
        }
        for (failures, good) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(is_good(|config| config.free_failures(failures, 20)), good, "{failures}");
            assert_eq!(is_good(|config| config.free_failures(5, failures)), good, "{failures}");
        }
        for (at_once, good) in [(0, false), (1, true), (1_000_000, true), (1_000_001, false)] {
            let minute = Duration::from_secs(60);
            assert_eq!(is_good(|config| config.registrations(at_once, minute)), good, "{at_once}");
            assert_eq!(is_good(|config| config.all_registrations(at_once, minute)), good, "{at_once}");
        }
        for (after, good) in [(0, false), (1, true), (86_400_000, true), (86_400_001, false)] {
            let after = Duration::from_millis(after);
            assert_eq!(is_good(|config| config.registrations(1, after)), good, "{after:?}");
            assert_eq!(is_good(|config| config.all_registrations(1, after)), good, "{after:?}");
        }
        for (delay, good) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            assert_eq!(is_good(|config| config.max_delay(Duration::from_secs(delay))), good, "{delay}");
        }
    }
}
