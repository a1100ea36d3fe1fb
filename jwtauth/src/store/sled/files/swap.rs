//! Puts new files in the place of those of a store. A kill at any moment leaves the old ones or the new ones.
//!
//! New files are made in the directory `new`. When they are on disk, the file `swap` says so, and how far
//! the exchange is: first all old files go *out*, into a directory of their own in `aside`, then all new ones
//! come *in*. Whoever opens the store next goes on from there.
//!
//! # Invariants
//!
//! 1. Without `swap` the old files are the store, and `new` is worth nothing. Without a data file beside it,
//!    it is what is left of a restore, and the store is refused.
//! 2. With `swap` the new files are the store.
//! 3. All this is done by one who has the lock.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::moving::{move_contents, move_entry};
use super::{
    ASIDE, BLOBS, CONF, DATA, DOUBT, JOURNAL, MOVED, NEW, SWAP, SWAP_UNFINISHED, has_swap, refused, snapshots,
};
use crate::error::StoreError;
use crate::private_file::{create_dir, replace_file, sync_dir};

/// What becomes of the old files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::sled) enum OldFiles {
    Kept,
    Removed,
}

/// Where old files go when nobody knows any more where they were to go.
const MENDED: &str = "replaced";

/// What stands in the file `swap`: `out` or `in`, `keep` or `remove`, and the name in `aside`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Swap {
    is_out: bool,
    old: OldFiles,
    name: String,
}

impl Swap {
    fn line(&self) -> String {
        let step = if self.is_out { "in" } else { "out" };
        let old = if self.old == OldFiles::Kept { "keep" } else { "remove" };
        format!("{step} {old} {}\n", self.name)
    }

    fn parse(line: &str) -> Option<Self> {
        let (step, rest) = line.strip_suffix('\n')?.split_once(' ')?;
        let (old, name) = rest.split_once(' ')?;
        let is_out = match step {
            "out" => false,
            "in" => true,
            _ => return None,
        };
        let old = match old {
            "keep" => OldFiles::Kept,
            "remove" => OldFiles::Removed,
            _ => return None,
        };
        let is_name = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
        is_name.then(|| Self { is_out, old, name: name.into() })
    }

    fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(path.join(SWAP)) {
            Ok(line) => Self::parse(&line).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file has its name when all of it is on disk.
    fn write(&self, path: &Path) -> io::Result<()> {
        replace_file(&path.join(SWAP), &path.join(SWAP_UNFINISHED), self.line().as_bytes())
    }
}

/// Makes an empty directory for new files.
pub(in crate::store::sled) fn new_files(path: &Path) -> Result<PathBuf, StoreError> {
    let make = || {
        let new = path.join(NEW);
        remove_all(&new)?;
        create_dir(&new)?;
        sync_dir(path)?;
        Ok(new)
    };
    make().map_err(|source| refused(path, "make a directory for new files", source))
}

/// Says that the new files are whole. From here on they are the store. Returns where the old ones go.
pub(in crate::store::sled) fn decide(path: &Path, label: &str, old: OldFiles) -> Result<PathBuf, StoreError> {
    let decide = || {
        sync_below(&path.join(NEW))?;
        let name = free_name(path, label)?;
        let aside = path.join(ASIDE).join(&name);
        let swap = Swap { is_out: false, old, name };
        if let Err(error) = swap.write(path) {
            // Nobody may take it for decided later.
            remove_if_there(&path.join(SWAP))?;
            return Err(error);
        }
        Ok(aside)
    };
    decide().map_err(|source| {
        let error = refused(path, "put new files in the place of the old ones", source);
        if has_swap(path) { half_replaced(path, error) } else { error }
    })
}

/// The error of a step after which the new files are the store.
pub(in crate::store::sled) fn half_replaced(path: &Path, error: StoreError) -> StoreError {
    StoreError::HalfReplaced { path: path.into(), source: error.into() }
}

/// Goes on with an exchange of files where it stopped. Returns whether there was one.
///
/// If the old files cannot be moved, they are the store again.
pub(in crate::store::sled) fn finish(path: &Path) -> Result<bool, StoreError> {
    let failed = |source| refused(path, "put new files in the place of the old ones", source);
    let half_replaced = |source| half_replaced(path, failed(source));
    let Some(mut swap) = read(path)? else { return Ok(false) };
    let aside = path.join(ASIDE).join(&swap.name);
    let given_up = |error| match give_up(path, &aside) {
        Err(error) if has_swap(path) => half_replaced(error),
        _ => failed(error),
    };
    if !swap.is_out {
        if let Err(error) = move_out(path, &aside) {
            return Err(given_up(error));
        }
        swap.is_out = true;
        if let Err(error) = swap.write(path) {
            // If it says so all the same, the new files are the store.
            if Swap::read(path).is_ok_and(|read| read.is_some_and(|read| read.is_out)) {
                return Err(half_replaced(error));
            }
            return Err(given_up(error));
        }
    }
    let come_in = || {
        let new = path.join(NEW);
        if new.is_dir() {
            move_contents(&new, path)?;
            fs::remove_dir(&new)?;
        }
        if swap.old == OldFiles::Removed
            && let Err(error) = remove_all(&aside)
        {
            // Some file systems keep files that are still open.
            tracing::warn!(target: "jwtauth", path = ?aside, %error, "old files of the session store are not needed any more and cannot be removed");
        }
        // Those that hold something stay.
        let _ = fs::remove_dir(&aside);
        let _ = fs::remove_dir(path.join(ASIDE));
        sync_dir(path)?;
        fs::remove_file(path.join(SWAP))?;
        sync_dir(path)
    };
    come_in().map_err(half_replaced)?;
    Ok(true)
}

fn read(path: &Path) -> Result<Option<Swap>, StoreError> {
    Swap::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData => {
            let problem = format!("the file {SWAP:?} in it says nothing that makes sense");
            StoreError::Corrupt { path: path.into(), problem }
        }
        _ => refused(path, "read how far an exchange of its files is", source),
    })
}

/// Fails if the file `swap` is damaged.
pub(in crate::store::sled) fn check(path: &Path) -> Result<(), StoreError> {
    read(path).map(drop)
}

/// Writes the file `swap` anew, if it is damaged: where the files are says how far the exchange is.
///
/// It had its name only when it was whole and the new files were too, so they are the store.
pub(in crate::store::sled) fn mend(path: &Path) -> Result<(), StoreError> {
    match check(path) {
        Err(StoreError::Corrupt { .. }) => {}
        other => return other,
    }
    let mend = || {
        let new = path.join(NEW);
        if !new.join(DATA).exists() {
            // All that was to be moved is where it belongs, or gone.
            let swap = Swap { is_out: true, old: OldFiles::Kept, name: free_name(path, MENDED)? };
            return swap.write(path);
        }
        // The new data file comes in after all old files are out. So what stands in both places is old here,
        // except in the middle of the way in: a name that is in one place only is where it belongs. sled does
        // without snapshots, and a wrong one is worse than none.
        let aside = path.join(ASIDE).join(free_name(path, MENDED)?);
        create_dir(&aside)?;
        for entry in fs::read_dir(path)? {
            let name = entry?.file_name();
            let is_old = is_data(&name)
                && (new.join(&name).exists()
                    || name.to_str().is_some_and(|n| n == MOVED || n.starts_with(snapshots::START)));
            if is_old {
                move_entry(&path.join(&name), &aside.join(&name))?;
            }
        }
        sync_dir(&aside)?;
        let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Swap { is_out: true, old: OldFiles::Kept, name }.write(path)
    };
    mend().map_err(|source| refused(path, "put new files in the place of the old ones", source))
}

/// Removes new files that nobody has decided for: their maker was killed.
pub(in crate::store::sled) fn discard(path: &Path) -> Result<(), StoreError> {
    let new = path.join(NEW);
    if !new.exists() {
        return Ok(());
    }
    if !path.join(DATA).exists() {
        return Err(StoreError::Unfinished { path: path.into() });
    }
    remove_all(&new).map_err(|source| refused(path, "remove unfinished files", source))
}

/// Makes the old files the store again.
fn give_up(path: &Path, aside: &Path) -> io::Result<()> {
    if aside.is_dir() {
        move_contents(aside, path)?;
        fs::remove_dir(aside)?;
    }
    fs::remove_file(path.join(SWAP))?;
    sync_dir(path)
}

fn move_out(path: &Path, aside: &Path) -> io::Result<()> {
    // Somebody may have removed them since.
    fs::metadata(path.join(NEW).join(DATA))?;
    create_dir(aside)?;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if is_data(&name) {
            move_entry(&path.join(&name), &aside.join(&name))?;
        }
    }
    sync_dir(aside)?;
    sync_dir(&path.join(ASIDE))?;
    sync_dir(path)
}

/// Tells whether a file is one that an exchange replaces.
fn is_data(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        [DATA, BLOBS, CONF, DOUBT, JOURNAL, MOVED].contains(&name) || name.starts_with(snapshots::START)
    })
}

/// Returns a name in `aside` that nothing has.
fn free_name(path: &Path, label: &str) -> io::Result<String> {
    for number in 1..u32::MAX {
        let name = if number == 1 { label.to_owned() } else { format!("{label}.{number}") };
        match fs::symlink_metadata(path.join(ASIDE).join(&name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn sync_below(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_below(&entry.path())?;
        } else {
            let file =
                OpenOptions::new().write(true).open(entry.path()).or_else(|_| File::open(entry.path()));
            file?.sync_all()?;
        }
    }
    sync_dir(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> Option<String> {
        fs::read_to_string(dir.path().join(name)).ok()
    }

    #[test]
    fn the_line_comes_back_and_no_other_text_does() {
        for swap in [
            Swap { is_out: false, old: OldFiles::Kept, name: "repaired".into() },
            Swap { is_out: true, old: OldFiles::Removed, name: "a b.2".into() },
        ] {
            assert_eq!(Swap::parse(&swap.line()), Some(swap));
        }
        for line in [
            "",
            "\n",
            "in keep\n",
            "in keep x",
            "up keep x\n",
            "in drop x\n",
            "in keep ../x\n",
            "in keep ..\n",
        ] {
            assert_eq!(Swap::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn old_files_stay_when_the_new_ones_are_gone_or_cannot_take_their_place() {
        let dir = store(&[("db", "old"), ("journal", "1"), ("swap", "out keep x\n")]);
        finish(dir.path()).unwrap_err();
        assert_eq!((text(&dir, "db"), text(&dir, "swap")), (Some("old".into()), None));
        assert!(!finish(dir.path()).unwrap());

        // A file where the old ones are to go.
        let dir = store(&[("db", "old"), ("new/db", "new"), ("aside", ""), ("swap", "out keep x\n")]);
        finish(dir.path()).unwrap_err();
        assert_eq!((text(&dir, "db"), text(&dir, "swap")), (Some("old".into()), None));
    }

    /// Who hears that nothing was changed would take the old files for the store.
    #[test]
    fn new_files_that_could_not_all_come_in_are_told_as_that() {
        // A directory that is not empty where a file belongs.
        let dir = store(&[("db/x", ""), ("new/db", "new"), ("swap", "in keep x\n")]);
        let refused = finish(dir.path()).unwrap_err();
        assert!(matches!(refused, StoreError::HalfReplaced { .. }), "{refused}");
        fs::remove_dir_all(dir.path().join("db")).unwrap();
        assert!(finish(dir.path()).unwrap());
        assert_eq!((text(&dir, "db"), text(&dir, "swap")), (Some("new".into()), None));
    }

    #[test]
    fn what_nobody_decided_for_is_removed_unless_it_is_all_there_is() {
        let dir = store(&[("db", "old"), ("new/db", "new")]);
        discard(dir.path()).unwrap();
        assert_eq!((text(&dir, "db"), text(&dir, "new/db")), (Some("old".into()), None));
        let dir = store(&[("new/db", "new")]);
        assert!(matches!(discard(dir.path()), Err(StoreError::Unfinished { .. })));
        assert_eq!(text(&dir, "new/db"), Some("new".into()));
    }

    /// Each rename of an exchange is once the last thing that a process does.
    #[test]
    fn an_exchange_goes_on_from_any_step() {
        let old = [("db", "old"), ("journal", "1"), ("blobs/1", "old"), ("snap.1", "old")];
        let new = [("new/db", "new"), ("new/journal", "2"), ("new/snap.2", "new")];
        for (line, out, came_in) in [
            ("out keep x\n", 0, 0),
            ("out keep x\n", 1, 0),
            ("out keep x\n", 3, 0),
            ("out keep x\n", 4, 0),
            ("in keep x\n", 4, 0),
            ("in keep x\n", 4, 1),
            ("in keep x\n", 4, 3),
        ] {
            let dir = store(&[&old[..], &new[..], &[("swap", line), ("jwtauth", "")]].concat());
            let path = dir.path();
            fs::create_dir_all(path.join("aside/x")).unwrap();
            for (name, _) in &old[..out] {
                let name = name.split('/').next().unwrap();
                fs::rename(path.join(name), path.join("aside/x").join(name)).unwrap();
            }
            for (name, _) in &new[..came_in] {
                fs::rename(path.join(name), path.join(name.strip_prefix("new/").unwrap())).unwrap();
            }
            assert!(finish(path).unwrap(), "{line} {out} {came_in}");
            for (name, text_of) in new {
                assert_eq!(text(&dir, name.strip_prefix("new/").unwrap()).as_deref(), Some(text_of));
            }
            for (name, text_of) in old {
                assert_eq!(text(&dir, &format!("aside/x/{name}")).as_deref(), Some(text_of));
            }
            let gone = [text(&dir, "swap"), text(&dir, "snap.1"), text(&dir, "blobs/1")];
            assert_eq!(gone, [None, None, None], "{line} {out} {came_in}");
            assert!(!path.join("new").exists());
        }
    }
}
