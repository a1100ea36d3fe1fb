//! Opens a copy of a store, to see whether the store itself would open. Nothing of the store is written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;
use super::sled_config::{SledConfig, former_journal};
use super::startup::Opened;
use crate::error::StoreError;
use crate::private_file::{create_dir, create_new_dir};

/// How much room is left on the disk beyond the copy, in bytes.
const RESERVE: u64 = 64 * 1024 * 1024;

/// What came of it.
#[derive(Debug)]
pub(super) enum Trial {
    Opened,
    Refused(StoreError),
    /// Nobody knows: why there is no copy.
    NotTried(String),
}

/// A copy, which goes when it is dropped.
struct TrialCopy(PathBuf);

impl Drop for TrialCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Tries to open a copy of a store whose lock the caller has.
pub(super) fn run(config: &SledConfig) -> Trial {
    let folder = std::env::temp_dir();
    let needed = files::occupied(&config.path).saturating_add(RESERVE);
    match fs2::available_space(&folder) {
        Ok(free) if free < needed => {
            return Trial::NotTried(format!(
                "{folder:?} has {free} bytes free, and a copy needs {needed}: name another directory in TMPDIR"
            ));
        }
        Ok(_) => {}
        Err(error) => return Trial::NotTried(format!("{folder:?}: {error}")),
    }
    let copy = match copy(config, &folder) {
        Ok(copy) => copy,
        Err(error) => return Trial::NotTried(format!("the store cannot be copied to {folder:?}: {error}")),
    };
    let mut trial = SledConfig::new(copy.0.join("store"));
    if config.rollback_counter.is_some() {
        trial = trial.rollback_counter(copy.0.join("counter"));
    }
    // What it logs would be about the copy.
    let opened = tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        Opened::open(trial)
    });
    match opened {
        Ok(opened) => {
            drop(opened);
            Trial::Opened
        }
        Err(error) => Trial::Refused(error),
    }
}

fn copy(config: &SledConfig, folder: &Path) -> io::Result<TrialCopy> {
    let mut number = 0_u32;
    let copy = loop {
        let path = folder.join(format!("jwtauth-doctor-{}-{number}", std::process::id()));
        match create_new_dir(&path) {
            Ok(()) => break TrialCopy(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
            Err(error) => return Err(error),
        }
    };
    let store = copy.0.join("store");
    copy_store(&config.path, &store)?;
    let beside = former_journal(&config.path);
    if beside.is_file() {
        fs::copy(beside, former_journal(&store))?;
    }
    if let Some(counter) = &config.rollback_counter
        && counter.is_file()
    {
        fs::copy(counter, copy.0.join("counter"))?;
    }
    Ok(copy)
}

/// Copies the files of a store, but not what was set aside.
fn copy_store(from: &Path, to: &Path) -> io::Result<()> {
    create_dir(to)?;
    for name in files::ours(from)? {
        if name != files::ASIDE {
            copy_all(&from.join(&name), &to.join(&name))?;
        }
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
