//! [`Account`]: what an application sees of an account, in its handlers and in its answers. Never the hash.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::RoleScopes;
use crate::error::BoxError;
use crate::id::AccountId;
use crate::record::Session;
use crate::session::Hooks;
use crate::store::{AccountStore, StoredAccount};
use crate::user::{AuthUser, CopyFields, Identity, copy_of, load_copy};

/// An account, without its password. All times are Unix seconds.
///
/// It is a user type like one with `#[derive(AuthUser)]`: a guarded handler takes `user: Account` as an
/// argument. The handler gets the copy that the session keeps.
/// [`Accounts::set_roles`](crate::Accounts::set_roles) renews the roles in it. Its `last_login` is that of
/// the login that opened the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The id; its text is the subject of the account's sessions.
    pub id: AccountId,
    /// The name, as it was registered.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
    /// The scopes, which come from the roles: see [`scopes_of`](crate::AccountsConfig::scopes_of).
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether the account may log in.
    pub active: bool,
    /// When the account was registered.
    pub created_at: u64,
    /// When the password was last set.
    pub password_changed_at: u64,
    /// When the password was last accepted.
    pub last_login: Option<u64>,
    /// Counts changes of the password, the roles and `active`. Only the newest revision can open a session.
    pub revision: u64,
}

impl Account {
    /// Returns an account with the scopes of its roles.
    pub(super) fn of(stored: StoredAccount, role_scopes: &RoleScopes) -> Self {
        Self {
            scopes: role_scopes.of(&stored.roles),
            id: stored.id,
            name: stored.name,
            roles: stored.roles,
            active: stored.active,
            created_at: stored.created_at,
            password_changed_at: stored.password_changed_at,
            last_login: stored.last_login,
            revision: stored.revision,
        }
    }
}

/// Asks the accounts before each refresh of their sessions.
pub(crate) fn ask_before_refresh(
    hooks: &mut Hooks,
    store: Arc<dyn AccountStore>,
    role_scopes: Arc<RoleScopes>,
) {
    let concerns = |session: &Session| session.user_kind.as_deref() == Account::KIND;
    hooks.before_refresh(concerns, move |who: Identity| {
        let (store, role_scopes) = (Arc::clone(&store), Arc::clone(&role_scopes));
        async move {
            let Ok(id) = who.parse_subject::<AccountId>() else { return Ok(None) };
            Ok(store.account(id).await?.map(|found| Account::of(found, &role_scopes)))
        }
    });
}

impl AuthUser for Account {
    type Store = ();

    /// No name of a struct has a colon.
    const KIND: Option<&'static str> = Some("jwtauth::Account");

    fn subject(&self) -> String {
        self.id.to_string()
    }

    fn roles(&self) -> Vec<String> {
        self.roles.clone()
    }

    fn scopes(&self) -> Vec<String> {
        self.scopes.clone()
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn session_copy(&self) -> Result<Option<Vec<u8>>, BoxError> {
        copy_of(
            self,
            &CopyFields {
                id: "id",
                roles: "roles",
                scopes: "scopes",
                active: "active",
                ..CopyFields::default()
            },
        )
    }

    fn account_revision(&self) -> Option<u64> {
        Some(self.revision)
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        load_copy(who)
    }
}
