//! Where a store lies, and how it is opened.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::address_form::AddressForm;
use crate::error::StoreError;

/// What to call instead of what opens a directory.
const A_DATABASE: &str = "is a database, and this opens a directory: call `PostgresStore::connect`, or `JwtAuthBuilder::open`, which takes both (feature `postgres`)";

/// How long to wait for a process that has the store open, unless it is set.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How much memory the caches of a store take, unless it is set, in bytes.
const CACHE: u64 = 128 * 1024 * 1024;

/// How much of that is for records that were asked for, as they are used. The rest is for pages of the file.
const FOR_RECORDS: u64 = 4;

/// The least that the pages need to be of any use, and what sled takes for the least.
const CACHE_AT_LEAST: u64 = 1024 * 1024;

/// The largest data file of a store that is read as a whole before it is used.
const VERIFY_FIRST: u64 = 16 * 1024 * 1024;

/// Smaller files are not worth the work.
const COMPACT_FROM: u64 = 8 * 1024 * 1024;

/// Where a [`SledStore`](crate::SledStore) lies, and how it is opened.
///
/// A path alone will do wherever one of these is asked for.
///
/// ```
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use jwtauth::{JwtAuth, SledConfig};
///
/// let config = SledConfig::new("/data/sessions").lock_timeout(Duration::from_secs(30));
/// let jwtauth = JwtAuth::builder().secret_file("/data/secret").open(config).await?;
/// # Ok(())
/// # }
/// ```
///
/// | setting | default | range |
/// |---|---|---|
/// | [`cache`](Self::cache) | 128 MiB | from 1 MiB |
/// | [`compact_from`](Self::compact_from) | 8 MiB | from 0; `u64::MAX` switches it off |
/// | [`create_if_missing`](Self::create_if_missing) | true | |
/// | [`lock_timeout`](Self::lock_timeout) | 5 seconds | from zero, which tries once |
/// | [`rollback_counter`](Self::rollback_counter) | none | a file outside the store's directory |
/// | [`verify_first`](Self::verify_first) | 16 MiB | from 0; `u64::MAX` is always |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SledConfig {
    pub(super) path: PathBuf,
    pub(super) cache: u64,
    pub(super) compact_from: u64,
    pub(super) create_if_missing: bool,
    pub(super) lock_timeout: Duration,
    pub(super) rollback_counter: Option<PathBuf>,
    pub(super) verify_first: u64,
    /// Opens a store whose records were moved into another one.
    pub(super) even_if_moved: bool,
}

impl SledConfig {
    /// Names the directory of the store. All of its files lie in it.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().into(),
            cache: CACHE,
            compact_from: COMPACT_FROM,
            create_if_missing: true,
            lock_timeout: LOCK_TIMEOUT,
            rollback_counter: None,
            verify_first: VERIFY_FIRST,
            even_if_moved: false,
        }
    }

    /// Sets how much memory the caches of the store take, in bytes: 128 MiB by default, and 1 MiB at least.
    ///
    /// Three quarters are for pages of the data file, and one quarter is for records that were asked for.
    /// What is in neither is read from the disk, or from the system's cache of it. Beside its caches the
    /// store keeps in memory where each page is.
    #[must_use]
    pub const fn cache(mut self, bytes: u64) -> Self {
        self.cache = bytes;
        self
    }

    /// Sets up to which size of the data file all records are read before the store is used, in bytes: 16 MiB
    /// by default. With `u64::MAX` that is so for any store, and with 0 for none.
    ///
    /// Every record is read once after a start, and compared with the totals of the store, to notice one that
    /// is missing, or as it was before a change. That takes some 2 us a session, and a store that is damaged
    /// is refused.
    ///
    /// A larger store is used before that. What must be known before the first answer is read first: that no
    /// change was rolled back, and that all accounts and values are whole. Sessions are read while the store
    /// is used, at half the speed of one core. If one is missing, somebody is logged out. If one is as it was
    /// before its last change, it may be let in for the seconds that this takes. When something is found, the
    /// store answers nothing any more but [`StoreError::Corrupt`], so each request is answered with 503, and
    /// the next start reads all records first. [`StoreStatus::verified`](crate::store::operate::StoreStatus)
    /// says whether all were read.
    #[must_use]
    pub const fn verify_first(mut self, bytes: u64) -> Self {
        self.verify_first = bytes;
        self
    }

    /// Sets from which size on the store makes its data file smaller by itself, in bytes: 8 MiB by default.
    /// `u64::MAX` switches that off, and `jwtauth compact` does it then.
    ///
    /// What is removed or replaced leaves free space in the file, of which not all is used again. When the
    /// file is more than twice as large as what is in it needs, all that is live is copied into new files, at
    /// half the speed of one core, and these take the place of the old ones. The store is used as before
    /// meanwhile; for the exchange itself requests wait a moment. The disk needs room for the second copy:
    /// without it nothing is done, which the log says once an hour. Whenever the process is killed, nothing
    /// is lost.
    #[must_use]
    pub const fn compact_from(mut self, bytes: u64) -> Self {
        self.compact_from = bytes;
        self
    }

    /// Sets whether a new store is made where there is none: it is by default, and the log says so at INFO.
    ///
    /// A volume that is not mounted looks like a first start. In a new, empty store all users are logged out,
    /// and with accounts anybody may register the names of others. With `false`, opening such a directory is
    /// an error, [`StoreError::NoStore`], and nothing is made. Switch it off when the store is there, or make
    /// it depend on a variable that you set for the first start:
    ///
    /// ```
    /// # use jwtauth::SledConfig;
    /// let is_first = std::env::var_os("SHOP_NEW_STORE").is_some();
    /// let config = SledConfig::new("/data/sessions").create_if_missing(is_first);
    /// ```
    ///
    /// A [`rollback_counter`](Self::rollback_counter) tells the two cases apart by itself, if it is on
    /// another volume and the store has accounts.
    #[must_use]
    pub const fn create_if_missing(mut self, creates: bool) -> Self {
        self.create_if_missing = creates;
        self
    }

    /// Sets how long to wait for another process that has the store open: 5 seconds by default.
    ///
    /// One process at a time may have a store open. A new one waits for the old one to end. After this time
    /// it gives up with [`StoreError::Locked`]. Waiting helps if the old
    /// process is about to end. It does not help if the old one is stopped only when the new one is up, as in
    /// a rolling update: have the old one stopped first (in Kubernetes `strategy: {type: Recreate}` and one
    /// replica).
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Keeps a second count of the changes in a file in another place, so that an older copy of the whole
    /// directory is refused. There is none by default.
    ///
    /// The store has a count of its own in its directory. That one notices a data file that was cut short,
    /// damaged, or replaced by an older one. It cannot notice that the whole directory was replaced by an
    /// older copy, which brings its own count. In such a copy a session may be alive that was ended since.
    ///
    /// Name a file on another volume, one that no backup of the store contains, for each store its own. Its
    /// directory is made if there is none. To use an older copy on purpose, remove this file.
    #[must_use]
    pub fn rollback_counter(mut self, path: impl Into<PathBuf>) -> Self {
        self.rollback_counter = Some(path.into());
        self
    }
}

impl SledConfig {
    /// Returns the directory.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how much memory pages of the data file take.
    pub(super) fn cache_of_pages(&self) -> u64 {
        self.cache.max(CACHE_AT_LEAST) - self.cache_of_records()
    }

    /// Returns how much memory records take that were asked for.
    pub(super) fn cache_of_records(&self) -> u64 {
        self.cache.max(CACHE_AT_LEAST) / FOR_RECORDS
    }

    /// Makes paths absolute: the directory of the process may change. Refuses what is meant as the address of
    /// a database.
    pub(in crate::store) fn absolute(mut self) -> Result<Self, StoreError> {
        match AddressForm::of(self.path.to_string_lossy().trim()) {
            AddressForm::Directory => {}
            AddressForm::Database(_) => {
                return Err(StoreError::OtherAddress { start: "postgres://".into(), advice: A_DATABASE });
            }
            AddressForm::Refused(start, advice) => return Err(StoreError::OtherAddress { start, advice }),
        }
        self.path = absolute(self.path)?;
        self.rollback_counter = self.rollback_counter.map(absolute).transpose()?;
        match self.rollback_counter {
            Some(path) if path.starts_with(&self.path) => Err(StoreError::Io {
                path,
                action: "keep a rollback counter in the directory of the store, where an older copy brings its own: name a file outside",
                source: io::ErrorKind::InvalidInput.into(),
            }),
            Some(path) if is_former_journal(&path, &self.path) => Err(StoreError::Io {
                path,
                action: "keep a rollback counter where earlier layouts have a journal, which is removed: choose another name",
                source: io::ErrorKind::InvalidInput.into(),
            }),
            _ => Ok(self),
        }
    }
}

/// Returns where earlier layouts have the journal.
pub(super) fn former_journal(store: &Path) -> PathBuf {
    let mut name = store.file_name().map_or_else(|| OsString::from("store"), OsString::from);
    name.push(".journal");
    store.parent().unwrap_or(store).join(name)
}

fn is_former_journal(counter: &Path, store: &Path) -> bool {
    let folder =
        |path: &Path| path.parent().map(|parent| parent.canonicalize().unwrap_or_else(|_| parent.into()));
    let former = former_journal(store);
    counter.file_name() == former.file_name() && folder(counter) == folder(&former)
}

fn absolute(path: PathBuf) -> Result<PathBuf, StoreError> {
    std::path::absolute(&path).map_err(|source| StoreError::Io { path, action: "find the directory", source })
}

impl<P: AsRef<Path>> From<P> for SledConfig {
    fn from(path: P) -> Self {
        Self::new(path)
    }
}
