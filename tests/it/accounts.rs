//! Accounts: in the store, at the login, when they change, and over HTTP.

mod changes;
mod http;
mod imports;
mod logins;
mod reported;
mod scopes;
mod store;

use std::path::Path;
use std::time::{Duration, Instant};

use jwtauth::error::StoreError;
use jwtauth::store::SessionStore;
use jwtauth::{Account, Accounts, AccountsConfig, Device, JwtAuth, Session, SledStore};
use tests::app::TestApp;
use tests::test_store::TestStore;

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "staple by the dozen";

/// An app whose accounts are in memory.
fn app() -> TestApp {
    with(TestStore::new(), AccountsConfig::default())
}

fn with(store: impl SessionStore, config: AccountsConfig) -> TestApp {
    TestApp::with(store, |builder| builder.accounts(config))
}

fn accounts(app: &TestApp) -> &Accounts {
    app.jwtauth.accounts().unwrap()
}

/// Opens a store, also one that was closed a moment ago: a process that another test is just starting holds its lock,
/// like every other file of this process, until it runs its own program.
async fn sled(path: &Path) -> SledStore {
    let start = Instant::now();
    loop {
        match SledStore::open(path).await {
            Ok(store) => return store,
            Err(StoreError::Locked { .. }) if start.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Registers an account with [`PASSWORD`].
async fn register(app: &TestApp, name: &str) -> Account {
    accounts(app).register(name, PASSWORD).await.unwrap()
}

/// Checks [`PASSWORD`] of an account, or another one, from nowhere.
async fn verify(app: &TestApp, name: &str, password: &str) -> Result<Account, jwtauth::error::AccountError> {
    accounts(app).verify(name, password, None).await
}

/// Opens a session.
async fn open(jwtauth: &JwtAuth, account: &Account) -> Session {
    jwtauth.sessions().login(account, Device::default()).await.unwrap().session
}

/// Returns the live sessions of an account.
async fn live(jwtauth: &JwtAuth, account: &Account) -> Vec<Session> {
    jwtauth.sessions().list(&account.id.to_string()).await.unwrap()
}
