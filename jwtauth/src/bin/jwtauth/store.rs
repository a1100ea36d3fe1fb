//! The store that is operated.

use std::path::Path;
use std::sync::Arc;

use jwtauth::error::StoreError;
use jwtauth::{Accounts, AccountsConfig, JwtAuth, SessionStore, Sessions, SledStore};

use super::Failure;

/// An open store, with what changes sessions and accounts in it.
pub(crate) struct Operated {
    pub(crate) store: Arc<dyn SessionStore>,
    jwtauth: JwtAuth,
}

impl Operated {
    /// Opens the store in a directory. Makes none.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Err(Failure::refused("no store was named: write --store PATH, or set JWTAUTH_STORE"));
        };
        let is_empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if !path.is_dir() || is_empty {
            let what =
                format!("there is no store in {path:?}: name the directory that the server passes to `open`");
            return Err(Failure::refused(what));
        }
        let opened = SledStore::open(path).await.map_err(|error| match error {
            StoreError::Locked { .. } => Failure::store("stop the server, and do this again", error),
            error => Failure::store("the store cannot be opened", error),
        })?;
        // No token is made here, so any secret will do.
        let secret =
            jwtauth::keys::new_secret().map_err(|error| Failure::store("nothing was opened", error))?;
        let builder = JwtAuth::builder().secret(secret).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.build(opened.clone()).map_err(|error| Failure::store("no accounts", error))?;
        Ok(Self { store: Arc::new(opened), jwtauth })
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        self.jwtauth.sessions()
    }

    /// Returns the subject that is meant: the id of the account of this name, or the text itself.
    pub(crate) async fn subject(&self, named: &str) -> Result<String, Failure> {
        let found = self.accounts()?.by_name(named).await;
        let found = found.map_err(|error| Failure::store("the store failed", error))?;
        Ok(found.map_or_else(|| named.to_owned(), |account| account.id.to_string()))
    }

    pub(crate) fn accounts(&self) -> Result<&Accounts, Failure> {
        self.jwtauth.accounts().ok_or_else(|| Failure::refused("this store keeps no accounts"))
    }
}
