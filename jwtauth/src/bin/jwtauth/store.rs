//! The store that is operated: by the server that has it open, or by this program if there is none. A
//! database is used beside its servers.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use jwtauth::error::StoreError;
use jwtauth::operator::Operator;
use jwtauth::store::operate::{self, OperateError};
use jwtauth::store::{SessionStore, StorePlace};
use jwtauth::{AccountsConfig, ApiKeyConfig, JwtAuth, SledConfig, SledStore, StorageConfig};

use super::Failure;
use super::arguments::CounterArgument;
use super::database::StoreName;
use super::meter::Meter;
use super::output::say;
use super::rights;

/// How many events a trail keeps at most.
const MOST_EVENTS: u64 = 10_000_000;

/// Speaks to the server that has the store in a directory open, or opens it. Makes none. A database is opened
/// beside its servers.
pub(crate) async fn operator(name: StoreName<'_>) -> Result<Operator, Failure> {
    if let Some(database) = name.database()? {
        return here(open(database).await?).await;
    }
    let path = look(name, "")?;
    if let Some(server) = Operator::connect(path).await? {
        return Ok(server);
    }
    check_user(path)?;
    match opening(SledStore::open(path)).await {
        Ok(opened) => here(Arc::new(opened)).await,
        // A server may have started meanwhile.
        Err(error @ StoreError::Locked { .. }) => Operator::connect(path).await?.ok_or_else(|| {
            let what = "another process has the store open and offers no socket: a server, whose log says why, or another `jwtauth`. Wait for it or stop it, and do this again";
            Failure::store(what, error)
        }),
        Err(error) => Err(not_opened(error)),
    }
}

/// Opens a store, which takes a while if it is large.
async fn opening<T>(opening: impl Future<Output = T>) -> T {
    let _meter = Meter::begin_waiting("opening");
    opening.await
}

/// Refuses what is to be made within the directory of a store: it could take the place of one of its files,
/// or would go with them.
pub(crate) fn outside_of_stores(path: &Path) -> Result<(), Failure> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
    // The nearest one that is there.
    let folder = absolute.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok());
    let Some(folder) = folder else { return Ok(()) };
    let is_store = |folder: &&Path| ["jwtauth", "db"].iter().all(|name| folder.join(name).is_file());
    match folder.ancestors().find(is_store) {
        Some(store) => Err(Failure::refused(format!(
            "{path:?} is within the directory of the store {store:?}: name a place outside of it"
        ))),
        None => Ok(()),
    }
}

/// Returns the directory that a store is to be made in: by this user, if there is one.
pub(crate) fn new_directory(path: &Path) -> Result<&Path, Failure> {
    outside_of_stores(path)?;
    if path.exists() {
        check_user(path)?;
    }
    Ok(path)
}

/// Opens the store, for what needs all that it keeps. Makes none.
pub(crate) async fn opened(name: StoreName<'_>) -> Result<Arc<dyn SessionStore>, Failure> {
    match name.database()? {
        Some(database) => open(database).await,
        None => open(directory(name, "")?.into()).await,
    }
}

async fn open(place: StorePlace) -> Result<Arc<dyn SessionStore>, Failure> {
    opening(operate::open(place)).await.map_err(|error| match error {
        OperateError::Store(error) => not_opened(error),
        error => Failure::refused(error.to_string()),
    })
}

/// Speaks to the server that has the store open, if there is one.
pub(crate) async fn server(name: StoreName<'_>, instead: &str) -> Result<Option<Operator>, Failure> {
    Ok(Operator::connect(look(name, instead)?).await?)
}

/// Returns how many events the trail of a store keeps; `None` if it has no trail. If its head cannot be read,
/// they all stay: the server says anew how many, and the next event is `trail_broken`.
async fn kept_events(opened: &Arc<dyn SessionStore>) -> Result<Option<u64>, StoreError> {
    let Some(trail) = Arc::clone(opened).event_store() else { return Ok(None) };
    if let Some(head) = trail.trail_head().await? {
        return Ok(Some(head.keep));
    }
    Ok(trail.events_after(0, 1).await?.first().map(|_| MOST_EVENTS))
}

async fn here(opened: Arc<dyn SessionStore>) -> Result<Operator, Failure> {
    // No token is made here, so any secret will do.
    let secret = jwtauth::keys::new_secret().map_err(|error| Failure::store("nothing was opened", error))?;
    // The scopes of roles are those of the server: without them, who is given a role would lose scopes.
    let accounts = AccountsConfig::default().hashers(1).scopes_kept_in(Arc::clone(&opened)).await;
    let accounts = accounts.map_err(|error| Failure::store("nothing was done", error))?;
    let builder = JwtAuth::builder().secret(secret).accounts(accounts);
    // The rules of keys are those of the server.
    let builder = match ApiKeyConfig::kept_in(Arc::clone(&opened)).await {
        Ok(Some(keys)) => builder.api_keys(keys),
        Ok(None) => builder,
        Err(error) => {
            let error = super::with_causes(&error);
            say(&format!("the settings of API keys cannot be read, so none can be made: {error}"));
            builder
        }
    };
    // What is done here stands in the trail that the server keeps.
    let storage = StorageConfig::default().operator_socket(false);
    let storage = match kept_events(&opened).await {
        Ok(Some(keep)) => storage.keep_events(keep.clamp(1, MOST_EVENTS)),
        Ok(None) => storage,
        Err(error) => {
            let error = super::with_causes(&error);
            say(&format!("the audit trail cannot be continued, so nothing is added to it: {error}"));
            storage
        }
    };
    let jwtauth = builder.storage(storage).build_on(opened);
    Ok(jwtauth.map_err(|error| Failure::store("nothing was done", error))?.operator())
}

/// Returns the directory of the store that is meant, for what no server does. It holds one, and this user may
/// change it.
pub(crate) fn directory<'a>(name: StoreName<'a>, instead: &str) -> Result<&'a Path, Failure> {
    let path = look(name, instead)?;
    check_user(path)?;
    Ok(path)
}

/// Fails if there is no store in a directory, or one that this user may not change.
pub(crate) fn of_this_user(path: &Path) -> Result<(), Failure> {
    has_mark(path)?;
    check_user(path)
}

/// Sees whether there is a store.
fn look<'a>(name: StoreName<'a>, instead: &str) -> Result<&'a Path, Failure> {
    let path = name.directory(instead)?;
    has_mark(path).map(|()| path)
}

fn has_mark(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path.join("jwtauth")) {
        // One that was only marked is none yet, and nobody but a server makes it.
        Ok(found) if found.is_file() && holds_more_than_its_mark(path) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(not_seen(path)),
        _ => Err(not_there(path)),
    }
}

fn holds_more_than_its_mark(path: &Path) -> bool {
    ["db", "journal", "conf", "blobs", "new", "swap", "moved", "aside", "socket"]
        .iter()
        .any(|name| path.join(name).exists())
}

/// Tells whether a directory holds a store, or what is left of one.
pub(crate) fn is_there(path: &Path) -> bool {
    ["jwtauth", "db", "journal", "conf", "blobs", "new", "swap"].iter().any(|name| path.join(name).exists())
}

/// Returns what a store that may be damaged is opened with. Of the store anything may be missing.
pub(crate) fn damaged(
    name: StoreName<'_>,
    counter: CounterArgument,
    instead: &str,
) -> Result<SledConfig, Failure> {
    let path = name.directory(instead)?;
    if !is_there(path) && !path.join("aside").is_dir() {
        return Err(match std::fs::read_dir(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => not_seen(path),
            _ => not_there(path),
        });
    }
    check_user(path)?;
    with_counter(SledConfig::new(path), counter.rollback_counter.as_deref())
}

/// Names the rollback counter. A file of a store is none, such as the journal of another one.
pub(crate) fn with_counter(config: SledConfig, counter: Option<&Path>) -> Result<SledConfig, Failure> {
    let Some(counter) = counter else { return Ok(config) };
    outside_of_stores(counter)?;
    Ok(config.rollback_counter(counter))
}

fn not_seen(path: &Path) -> Failure {
    Failure::refused(format!("this user may not look into {path:?}: {}", rights::of_store(path)))
}

fn not_there(path: &Path) -> Failure {
    let what = format!(
        "there is no store in {path:?}: name the directory that the server passes to `open`, or start the server once, which makes the store"
    );
    Failure::refused(what)
}

/// Says what to do when a store cannot be opened.
pub(crate) fn not_opened(error: StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => Failure::store("stop the server, and do this again", error),
        error if super::with_causes(&error).contains("password missing") => Failure::store(
            "the database asks for a password: set PGPASSWORD, or write it into ~/.pgpass",
            error,
        ),
        error @ StoreError::HalfReplaced { .. } => {
            Failure::store("it was done, except for the last steps", error)
        }
        error => Failure::store("the store cannot be opened", error),
    }
}

/// Says why a store was not looked at or not repaired.
pub(crate) fn not_repaired(error: OperateError) -> Failure {
    match error {
        OperateError::Store(error) => not_opened(error),
        error => Failure::store("nothing was changed", error),
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
    let data = path.join("db");
    let what = if data.exists() { data } else { path.into() };
    Err(Failure::refused(format!("the store {path:?} is of another user: {}", rights::of_store(&what))))
}

#[cfg(not(unix))]
fn check_user(_: &Path) -> Result<(), Failure> {
    Ok(())
}
