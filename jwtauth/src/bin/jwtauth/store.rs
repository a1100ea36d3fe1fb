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
        let opened = SledStore::open(directory(path)?).await.map_err(not_opened)?;
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

    /// Returns the subject that is meant: the text itself if it is the id of an account or the subject of a
    /// session, or else the id of the account of this name.
    ///
    /// In this order: somebody may take the id of another account as a name.
    pub(crate) async fn subject(&self, named: &str) -> Result<String, Failure> {
        let failed = |error| Failure::store("the store failed", error);
        let accounts = self.accounts()?;
        let is_id = match named.parse() {
            Ok(id) => accounts.by_id(id).await.map_err(failed)?.is_some(),
            Err(_) => false,
        };
        let own = self.store.sessions_of(named.into()).await;
        if is_id || !own.map_err(|error| Failure::store("the store failed", error))?.is_empty() {
            return Ok(named.into());
        }
        let found = accounts.by_name(named).await.map_err(failed)?;
        Ok(found.map_or_else(|| named.to_owned(), |account| account.id.to_string()))
    }

    pub(crate) fn accounts(&self) -> Result<&Accounts, Failure> {
        self.jwtauth.accounts().ok_or_else(|| Failure::refused("this store keeps no accounts"))
    }
}

/// Returns the directory of the store that is meant. It holds one, and this user may change it.
pub(crate) fn directory(named: Option<&Path>) -> Result<&Path, Failure> {
    let Some(path) = named else {
        return Err(Failure::refused("no store was named: write --store PATH, or set JWTAUTH_STORE"));
    };
    if !path.join("jwtauth").is_file() {
        let what =
            format!("there is no store in {path:?}: name the directory that the server passes to `open`");
        return Err(Failure::refused(what));
    }
    check_user(path)?;
    Ok(path)
}

/// Says what to do when a store cannot be opened.
pub(crate) fn not_opened(error: StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => Failure::store("stop the server, and do this again", error),
        error => Failure::store("the store cannot be opened", error),
    }
}

/// Refuses to make files that the server could not open: as another user than the one whom the data belongs
/// to.
#[cfg(unix)]
fn check_user(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;

    let data = std::fs::metadata(path.join("db")).or_else(|_| std::fs::metadata(path));
    let (user, owner) = (nix::unistd::geteuid().as_raw(), data.map_or(0, |data| data.uid()));
    if user == owner {
        return Ok(());
    }
    let what = format!(
        "the store belongs to the user with the id {owner}: run this as that user, such as with `sudo -u '#{owner}'`"
    );
    Err(Failure::refused(what))
}

#[cfg(not(unix))]
fn check_user(_: &Path) -> Result<(), Failure> {
    Ok(())
}
