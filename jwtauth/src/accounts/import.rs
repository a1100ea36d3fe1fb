//! Accounts that another program has kept, with the hashes of their passwords.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::change::checked_roles;
use super::name::Name;
use super::{Account, Accounts};
use crate::clock::LAST_SECOND;
use crate::error::AccountError;
use crate::id::AccountId;
use crate::store::StoredAccount;

/// An account of another program, for [`Accounts::import`]. All times are Unix seconds, up to the end of the
/// year 9999: a later one is refused in JSON, and set to that end otherwise.
///
/// ```
/// use jwtauth::ImportedAccount;
///
/// # const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$L6UCGWcIXlErHlTzjWCLWQ$ed5iOkQpuDM0QUMq55Wgghz8Ik1UrMcusaC2uyTeUGc";
/// let ann = ImportedAccount::new("ann@example.com", HASH).roles(["editor"]).created_at(1_700_000_000);
/// ```
/// As JSON it has the members `name`, `hash`, `roles`, `active`, `created_at` and `last_login`. Only the name
/// is needed. Without a hash nobody can log in yet, and without `active` the account is active.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct ImportedAccount {
    name: String,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default = "active")]
    active: bool,
    #[serde(default, deserialize_with = "time")]
    created_at: Option<u64>,
    #[serde(default, deserialize_with = "time")]
    last_login: Option<u64>,
}

const fn active() -> bool {
    true
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let read = Option::deserialize(from)?;
    if read.is_some_and(|time: u64| time > LAST_SECOND) {
        return Err(D::Error::custom("a time is later than the year 9999: times are Unix seconds"));
    }
    Ok(read)
}

impl std::fmt::Debug for ImportedAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportedAccount").finish_non_exhaustive()
    }
}

impl ImportedAccount {
    /// Returns its name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Describes an active account without roles.
    ///
    /// `hash` is a PHC string of Argon2, also with Django's `argon2` in front of it. With the feature
    /// `import` it may be a hash by bcrypt, PBKDF2 or scrypt: in Django's form, in the PHC form and as
    /// passlib writes it (not `pbkdf2_sha1` and `bcrypt_sha256`).
    pub fn new(name: impl Into<String>, hash: impl Into<String>) -> Self {
        Self { hash: Some(hash.into()), ..Self::without_password(name) }
    }

    /// Describes an account to which no password belongs yet, as Django's with an unusable password. Nobody
    /// can log in to it before [`set_password`](Accounts::set_password).
    pub fn without_password(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            hash: None,
            roles: Vec::new(),
            active: true,
            created_at: None,
            last_login: None,
        }
    }

    /// Sets the roles: see [`Accounts::set_roles`].
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether the account may log in.
    pub const fn active(mut self, active: bool) -> Self {
        self.active = active;
        self
    }

    /// Sets when the account was registered. Otherwise that is the time of the import.
    pub const fn created_at(mut self, at: u64) -> Self {
        self.created_at = Some(if at > LAST_SECOND { LAST_SECOND } else { at });
        self
    }

    /// Sets when its password was last accepted.
    pub const fn last_login(mut self, at: u64) -> Self {
        self.last_login = Some(if at > LAST_SECOND { LAST_SECOND } else { at });
        self
    }
}

impl Accounts {
    /// Adds an account of another program. On disk when this returns.
    ///
    /// Its owner logs in with the same password. The hash is renewed with that login, in the parameters of
    /// [`argon2`](crate::AccountsConfig::argon2): so a hash by Argon2 may be weaker than these, and is as
    /// weak as it was until then. Until then a wrong password takes as long as the hash of the other program
    /// does, which distinguishes such an account from an unknown name.
    ///
    /// To import many, call it for one after the other. If it stops half-way, begin again: names that are
    /// there already are [`AccountError::NameTaken`].
    ///
    /// # Errors
    ///
    /// - [`AccountError::Name`], [`AccountError::NameTaken`], [`AccountError::Role`], and
    ///   [`AccountError::Session`] if a token with these roles does not fit into a cookie.
    /// - [`AccountError::Hashing`] if the hash is in no form that is known here, is not whole, or costs too
    ///   much. The most are 256 MiB, 16 passes and 16 lanes of Argon2, 20,000,000 rounds of PBKDF2, 128 MiB
    ///   for scrypt, and cost 16 of bcrypt. No hash may need more than half of the memory that
    ///   this process may use, by its control group or the machine.
    /// - [`AccountError::Random`], or [`AccountError::Store`] if the store failed; the account may exist.
    pub async fn import(&self, account: ImportedAccount) -> Result<Account, AccountError> {
        let name = Name::parse(&account.name)?;
        let hash = match &account.hash {
            Some(hash) => self.hasher().adopt(hash)?,
            None => self.hasher().of_nobody(),
        };
        let now = self.0.sessions.now();
        let created_at = account.created_at.unwrap_or(now);
        let draft = StoredAccount::new(AccountId::random()?, name.shown, name.key, hash, created_at);
        let roles = checked_roles(account.roles)?;
        let (active, last_login) = (account.active, account.last_login);
        let draft = StoredAccount { roles, active, last_login, ..draft };
        // As `set_roles` does: a token of the account must fit into a cookie.
        self.0.sessions.draft_and_issue(&self.account_of(draft.clone())).await?;
        self.add(draft).await?.ok_or(AccountError::NameTaken)
    }
}
