//! Opens a copy of a store, to see whether the store itself would open. Nothing of the store is written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::explain::is_short;
use super::files::{self, keepsake};
use super::found_trail::FoundTrail;
use super::salvage;
use super::sled_config::{SledConfig, former_journal};
use super::startup::Opened;
use super::tree_keys;
use crate::error::StoreError;
use crate::events::TrailFault;
use crate::private_file::{create_dir, create_new_dir, mode};

/// How much room is left on the disk beyond the copy, in bytes.
const RESERVE: u64 = 64 * 1024 * 1024;

/// What came of it.
#[derive(Debug)]
pub(super) enum Trial {
    /// It opens, and this is wrong with its audit trail.
    Opened(Vec<TrailFault>),
    Refused {
        error: StoreError,
        /// Where the files of the copy are.
        places: CopiedPlaces,
    },
    /// Nobody knows: why there is no copy.
    NotTried(String),
}

/// The paths of a copy, each with that of the file that it is a copy of.
#[derive(Debug)]
pub(super) struct CopiedPlaces(Vec<(PathBuf, PathBuf)>);

impl CopiedPlaces {
    fn of(config: &SledConfig, copy: &Path) -> Self {
        let store = copy.join("store");
        let mut places = vec![(former_journal(&store), former_journal(&config.path))];
        places.extend(config.rollback_counter.clone().map(|counter| (copy.join("counter"), counter)));
        places.push((store, config.path.clone()));
        Self(places)
    }

    /// Puts the paths of the store where a text has those of the copy.
    pub(super) fn rename(&self, mut text: String) -> String {
        for (copy, original) in &self.0 {
            let [copy, original] = [copy, original].map(|path| format!("{path:?}"));
            // Files in a directory begin with it.
            text = text.replace(copy.trim_matches('"'), original.trim_matches('"'));
        }
        text
    }
}

/// How the name of a copy begins.
const START: &str = "jwtauth-doctor-";
/// After how long one that is empty is left over.
const OLD: Duration = Duration::from_secs(3_600);
/// A file in it that is locked as long as its process is there.
const IN_USE: &str = "in-use";

/// A copy, which goes when it is dropped.
struct TrialCopy {
    path: PathBuf,
    _in_use: File,
}

impl TrialCopy {
    /// Makes the directory of a copy, with nothing in it.
    fn make(folder: &Path) -> io::Result<Self> {
        let mut number = 0_u32;
        let path = loop {
            let path = folder.join(format!("{START}{}-{number}", std::process::id()));
            match create_new_dir(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => {
                    number += 1
                }
                Err(error) => return Err(error),
            }
        };
        let locked = File::create(path.join(IN_USE)).and_then(|file| {
            fs2::FileExt::try_lock_exclusive(&file)?;
            Ok(file)
        });
        match locked {
            Ok(file) => Ok(Self { path, _in_use: file }),
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }
}

impl Drop for TrialCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes copies that a process of this user has left which was killed. They hold all that the store holds.
///
/// Each is a directory that nobody else may change: it is this user's and private.
fn remove_left(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_str().is_some_and(|name| name.starts_with(START)) {
            continue;
        }
        if is_left(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        } else if is_old(&entry) {
            // Only an empty one goes.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Tells whether nobody can be making it any more.
fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > OLD))
}

fn is_left(path: &Path) -> bool {
    let is_own = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && is_private(&found));
    // One without the file is being made.
    is_own && File::open(path.join(IN_USE)).is_ok_and(|file| fs2::FileExt::try_lock_exclusive(&file).is_ok())
}

#[cfg(unix)]
fn is_private(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.uid() == nix::unistd::geteuid().as_raw() && mode(found) & 0o077 == 0
}

/// The directory is one of this user's own.
#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

/// Tries to open a copy of a store whose lock the caller has.
pub(super) fn run(config: &SledConfig) -> Trial {
    // A start would say so, and cannot be tried.
    if let Err(error @ StoreError::Unreadable { .. }) = check_readable(&config.path) {
        return Trial::Refused { error, places: CopiedPlaces(Vec::new()) };
    }
    let folder = std::env::temp_dir();
    remove_left(&folder);
    let needed = files::occupied(&config.path).saturating_add(RESERVE);
    match fs2::available_space(&folder) {
        Ok(free) if free < needed => {
            return Trial::NotTried(format!(
                "{folder:?} has {free} bytes free, and a copy needs {needed}: name another directory in TMPDIR"
            ));
        }
        Ok(_) => {}
        Err(error) => {
            return Trial::NotTried(format!("{folder:?}: {error}: name another directory in TMPDIR"));
        }
    }
    let copy = match copy(config, &folder) {
        Ok(copy) => copy,
        Err(error) => {
            return Trial::NotTried(format!(
                "the store cannot be copied to {folder:?}: {error}: if that directory is the cause, name another one in TMPDIR"
            ));
        }
    };
    let mut trial = SledConfig::new(copy.path.join("store")).verify_first(u64::MAX);
    if config.rollback_counter.is_some() {
        trial = trial.rollback_counter(copy.path.join("counter"));
    }
    // What it logs would be about the copy.
    let opened = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        Opened::open(trial)
    });
    match opened {
        Ok(opened) => Trial::Opened(trail_faults(&opened)),
        Err(StoreError::Io { action, source, .. }) if is_short(&source) => {
            Trial::NotTried(format!("cannot {action}: {source}"))
        }
        // The store itself may stand where there is room.
        Err(StoreError::NoCopy { source, .. }) => Trial::NotTried(format!(
            "{folder:?} has no room for a second copy: {source}: name another directory in TMPDIR"
        )),
        Err(error) => Trial::Refused { error, places: CopiedPlaces::of(config, &copy.path) },
    }
}

/// Fails if the disk does not give back all that is to be copied of the data.
fn check_readable(store: &Path) -> Result<(), StoreError> {
    let (data, left) = (store.join(files::DATA), keepsake::data_file(store));
    salvage::check_readable(store, &data)?;
    if left == data { Ok(()) } else { salvage::check_readable(store, &left) }
}

/// Checks the audit trail as a server that opens the store finds it.
fn trail_faults(opened: &Opened) -> Vec<TrailFault> {
    let mut found = FoundTrail::default();
    let records = opened.tree.range(tree_keys::EVENTS..tree_keys::EVENTS_END);
    for (key, bytes) in records.filter_map(Result::ok) {
        // What cannot be read counts as missing.
        let _ = found.take(&key, &bytes);
    }
    found.faults()
}

fn copy(config: &SledConfig, folder: &Path) -> io::Result<TrialCopy> {
    let copy = TrialCopy::make(folder)?;
    let store = copy.path.join("store");
    copy_store(&config.path, &store)?;
    let beside = former_journal(&config.path);
    if beside.is_file() {
        fs::copy(beside, former_journal(&store))?;
    }
    if let Some(counter) = &config.rollback_counter
        && counter.is_file()
    {
        fs::copy(counter, copy.path.join("counter"))?;
    }
    Ok(copy)
}

/// Copies the files of a store, but not what was set aside, nor the mark that it was moved.
fn copy_store(from: &Path, to: &Path) -> io::Result<()> {
    create_dir(to)?;
    for name in files::ours(from)? {
        if ![files::ASIDE, files::MOVED, files::KEEPSAKE_UNFINISHED].contains(&&*name) {
            copy_all(&from.join(&name), &to.join(&name))?;
        }
    }
    // What a start would go on with.
    let kept = keepsake::former_name();
    if from.join(&kept).is_file() {
        create_dir(&to.join(files::ASIDE))?;
        copy_all(&from.join(&kept), &to.join(&kept))?;
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_dir() {
        create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if fs::metadata(from)?.is_file() {
        fs::copy(from, to)?;
    }
    Ok(())
}
