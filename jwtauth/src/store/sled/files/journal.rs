//! How many changes the store has acknowledged: what proves that none is missing.
//!
//! The journal lies in the directory of the store, as everything does that belongs to it. So it notices a
//! data file that was cut short, damaged or replaced by an older one. It cannot notice that the whole
//! directory was replaced by an older copy, which has its own journal. For that a second one, the rollback
//! counter, may be kept in another place
//! ([`SledConfig::rollback_counter`](crate::SledConfig::rollback_counter)).
//!
//! Earlier layouts have the journal beside the directory, as `<path>.journal`. It is read, and removed when
//! its number is in the directory.
//!
//! # Invariants
//!
//! 1. A journal is never ahead of the data: it is written after a commit. It may be behind, which only makes
//!    it say less. So of several the highest number counts, and a process may be killed between any two
//!    steps.
//! 2. Nothing is written before the store was found whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use super::super::sled_config::{SledConfig, former_journal};
use super::counter_form::{LEN, LENGTHS, check_counter};
use super::{DATA, JOURNAL, modes, refused, refused_directory};
use crate::error::StoreError;
use crate::private_file::{create_dir, parent, replace_file, sync_dir};

/// What a journal says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store::sled) struct Count {
    pub(in crate::store::sled) changes: u64,
    /// How many accounts there were. Earlier layouts do not have it.
    pub(in crate::store::sled) accounts: Option<u64>,
    /// Which store it is of. Earlier layouts do not have it.
    pub(in crate::store::sled) identity: Option<NonZeroU64>,
}

impl Count {
    /// Reads what a journal says. One bit that is wrong is put right: two numbers whose checksums fit differ
    /// in more bits.
    fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse_whole(bytes).or_else(|| {
            if !LENGTHS.contains(&bytes.len()) {
                return None;
            }
            let mut mended = bytes.to_vec();
            (0..bytes.len() * 8).find_map(|bit| {
                mended[bit / 8] ^= 1 << (bit % 8);
                let count = Self::parse_whole(&mended);
                mended[bit / 8] ^= 1 << (bit % 8);
                count
            })
        })
    }

    fn parse_whole(bytes: &[u8]) -> Option<Self> {
        let (numbers, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(numbers).to_le_bytes() != *checksum {
            return None;
        }
        let mut numbers = numbers.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number));
        let (changes, accounts) = (numbers.next()?, numbers.next());
        let identity = numbers.next().and_then(NonZeroU64::new);
        LENGTHS.contains(&bytes.len()).then_some(Self { changes, accounts, identity })
    }

    fn bytes(self) -> Vec<u8> {
        let numbers =
            [self.changes, self.accounts.unwrap_or_default(), self.identity.map_or(0, NonZeroU64::get)];
        let numbers = numbers.map(u64::to_le_bytes).concat();
        [&numbers[..], &crc32fast::hash(&numbers).to_le_bytes()].concat()
    }

    /// Reads a journal; `None` if there is none. One that is empty was being made when its process was
    /// killed.
    fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        // What is no file is no journal: it is somebody's.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Ok(None);
        }
        match fs::read(path) {
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => match Self::parse(&bytes) {
                Some(count) => Ok(Some(count)),
                None => Err(StoreError::Corrupt {
                    path: path.into(),
                    problem: "the file that counts its changes is damaged".into(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(refused(path, "read the journal", source)),
        }
    }
}

/// All journals of a store, as they were when it was opened.
#[derive(Debug)]
pub(in crate::store::sled) struct Counts {
    inside: Option<Count>,
    elsewhere: Option<(PathBuf, Option<Count>)>,
    beside: Option<(PathBuf, Count)>,
}

impl Counts {
    pub(in crate::store::sled) fn read(config: &SledConfig) -> Result<Self, StoreError> {
        let in_store = |error| match error {
            StoreError::Corrupt { path, problem } => {
                let problem = format!("{problem}: {path:?}");
                StoreError::Corrupt { path: config.path.clone(), problem }
            }
            other => other,
        };
        let with_advice = |error| match error {
            StoreError::Corrupt { path, problem } => {
                let problem = format!("{problem}, to be named to both of these with `--rollback-counter`");
                StoreError::Corrupt { path, problem }
            }
            other => other,
        };
        let inside = Count::read(&config.path.join(JOURNAL)).map_err(in_store)?;
        let elsewhere = match &config.rollback_counter {
            Some(path) if path.is_dir() => {
                let source = io::ErrorKind::IsADirectory.into();
                return Err(refused(
                    path,
                    "use this directory as the rollback counter: name a file in it",
                    source,
                ));
            }
            Some(path) => {
                if path.is_file() {
                    check_counter(config)?;
                }
                let count = Count::read(path).map_err(in_store);
                Some((path.clone(), count.map_err(with_advice)?))
            }
            None => None,
        };
        let beside = former_journal(&config.path);
        let beside = match Count::read(&beside) {
            Ok(count) => count.map(|count| (beside, count)),
            // With a journal in the directory, this is somebody else's file.
            Err(_) if inside.is_some() => None,
            Err(error) => return Err(in_store(error)),
        };
        Ok(Self { inside, elsewhere, beside })
    }

    fn outside(&self) -> impl Iterator<Item = (&Path, Count)> {
        let elsewhere = self.elsewhere.iter().filter_map(|(path, count)| Some((&**path, (*count)?)));
        // With a journal in the directory it says nothing any more, and it may be somebody else's.
        let beside = self.beside.iter().filter(|_| self.inside.is_none());
        elsewhere.chain(beside.map(|(path, count)| (&**path, *count)))
    }

    /// Returns how many changes were acknowledged, as far as is known.
    pub(in crate::store::sled) fn changes(&self) -> u64 {
        let outside = self.outside().map(|(_, count)| count.changes);
        outside.chain(self.inside.map(|count| count.changes)).max().unwrap_or_default()
    }

    /// Returns the file with the highest number of changes.
    pub(in crate::store::sled) fn highest(&self, store: &Path) -> PathBuf {
        let changes = self.changes();
        match self.inside {
            Some(inside) if inside.changes == changes => store.join(JOURNAL),
            _ => {
                let outside = self.outside().find(|(_, count)| count.changes == changes);
                outside.map_or_else(|| store.join(JOURNAL), |(path, _)| path.into())
            }
        }
    }

    /// Returns the file that says that there were accounts in a store of which nothing else is left.
    ///
    /// Journals of the earlier layout do not say it, so there may have been.
    pub(in crate::store::sled) fn accounts_are_gone(&self) -> Option<&Path> {
        let had = |count: Count| count.changes > 0 && count.accounts != Some(0);
        self.outside().find(|(_, count)| had(*count)).map(|(path, _)| path)
    }

    /// Returns which store the journal in the directory is of, if it says so.
    pub(in crate::store::sled) fn identity(&self) -> Option<NonZeroU64> {
        self.inside?.identity
    }

    /// Says which file is of another store, if the data file has this identity.
    pub(in crate::store::sled) fn mixture(&self, data: Option<NonZeroU64>) -> Option<String> {
        let (data, journal) = (data?, self.identity()?);
        if data == journal {
            return None;
        }
        let counter = self.elsewhere.as_ref().and_then(|(_, count)| (*count)?.identity);
        Some(match counter {
            Some(counter) if counter == journal => format!("{DATA:?} is of another store"),
            Some(counter) if counter == data => format!("{JOURNAL:?} is of another store"),
            _ => format!("{DATA:?} is of one store, and {JOURNAL:?} of another"),
        })
    }

    /// Tells whether anything says how many changes were acknowledged.
    pub(in crate::store::sled) fn is_known(&self) -> bool {
        self.inside.is_some() || self.outside().next().is_some()
    }

    /// Tells whether the store itself has acknowledged nothing yet, though a counter in another place knows
    /// one that was there before it and is gone, without accounts.
    pub(in crate::store::sled) fn is_begun(&self) -> bool {
        self.inside.is_none() && self.accounts_are_gone().is_none()
    }

    /// Writes a number into the counter elsewhere, whatever it says. Makes it if there is none.
    pub(in crate::store::sled) fn renew(config: &SledConfig, count: Count) -> Result<(), StoreError> {
        let Some(path) = &config.rollback_counter else { return Ok(()) };
        let failed = |source| refused(path, "write the rollback counter", source);
        create_dir(parent(path)).map_err(failed)?;
        set_aside_if_damaged(path).map_err(failed)?;
        Journal::open(path.clone(), None, count).map(drop)
    }

    /// Opens the journals for writing, makes those that are missing, and removes the one beside the
    /// directory.
    ///
    /// To be called when the store was found whole, with what it holds.
    pub(in crate::store::sled) fn keep(self, path: &Path, count: Count) -> Result<Journals, StoreError> {
        let inside = Journal::open(path.join(JOURNAL), self.inside, count)?;
        let elsewhere = match self.elsewhere {
            Some((counter, found)) => {
                let directory = parent(&counter);
                create_dir(directory).map_err(|source| {
                    refused_directory(directory, "make the directory of the rollback counter", source)
                })?;
                if found.is_none() && count.changes > 0 {
                    tracing::warn!(target: "jwtauth", path = ?counter, "there was no rollback counter: an older copy of the session store would not have been noticed");
                }
                Some(Journal::open(counter, found, count)?)
            }
            None => None,
        };
        if let Some((beside, _)) = self.beside {
            // Behind from now on, it says nothing wrong.
            if let Err(error) = fs::remove_file(&beside).and_then(|()| sync_dir(parent(&beside))) {
                tracing::warn!(target: "jwtauth", path = ?beside, %error, "this file of an earlier layout is not needed any more and cannot be removed");
            }
        }
        Ok(Journals { inside, elsewhere })
    }
}

/// Reads each journal of a store by itself, the one in its directory first: some may be damaged.
pub(in crate::store::sled) fn read_each(
    config: &SledConfig,
) -> Vec<(PathBuf, Result<Option<Count>, StoreError>)> {
    let inside = config.path.join(JOURNAL);
    let count = Count::read(&inside);
    let beside = former_journal(&config.path);
    let beside = (!matches!(count, Ok(Some(_))) && beside.is_file()).then_some(beside);
    let others = config.rollback_counter.clone().into_iter().chain(beside);
    let others = others.map(|path| (path.clone(), Count::read(&path)));
    std::iter::once((inside.clone(), count)).chain(others).collect()
}

/// Puts another number into a rollback counter, which may be damaged.
pub(in crate::store::sled) fn renew(path: &Path, count: Count) -> Result<(), StoreError> {
    let renewed = set_aside_if_damaged(path).and_then(|()| make(path, count));
    renewed.map_err(|source| refused(path, "write the rollback counter", source))
}

/// Gives a file that is no counter, or a damaged one, another name: perhaps it is somebody's.
fn set_aside_if_damaged(path: &Path) -> io::Result<()> {
    if Count::read(path).is_ok() {
        return Ok(());
    }
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 1 { ".damaged".into() } else { format!(".damaged.{number}") });
        PathBuf::from(name)
    };
    let is_free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    let aside = (1..u32::MAX).map(name).find(is_free).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(path, &aside)?;
    tracing::warn!(target: "jwtauth", ?path, ?aside, "what was named as the rollback counter is damaged, or none: it has another name now, and a new one is made");
    Ok(())
}

/// The journals that are written with each commit.
#[derive(Debug)]
pub(in crate::store::sled) struct Journals {
    inside: Journal,
    elsewhere: Option<Journal>,
}

impl Journals {
    pub(in crate::store::sled) fn write(&mut self, count: Count) -> Result<(), StoreError> {
        self.inside.write(count)?;
        self.elsewhere.as_mut().map_or(Ok(()), |journal| journal.write(count))
    }

    /// Nothing depends on it: see above.
    pub(in crate::store::sled) fn sync(&self) {
        for journal in [Some(&self.inside), self.elsewhere.as_ref()].into_iter().flatten() {
            let _ = journal.file.sync_data();
        }
    }
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    fn open(path: PathBuf, found: Option<Count>, count: Count) -> Result<Self, StoreError> {
        modes::mend_file(&path);
        // One that is empty may be mounted there, and is written in place.
        let is_made = fs::metadata(&path).is_ok_and(|found| found.is_file());
        if found.is_none() && !is_made {
            make(&path, count).map_err(|source| refused(&path, "make the journal", source))?;
        } else if fs::symlink_metadata(&path)
            .is_ok_and(|it| it.is_file() && (1..LEN as u64).contains(&it.len()))
        {
            // Of an earlier layout. Made longer in place, it might be left with half of the new number by a
            // power cut. Where it is mounted that cannot be helped.
            let _ = make(&path, count);
        }
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|source| refused(&path, "open the journal", source))?;
        let mut journal = Self { path, file };
        journal.write(count)?;
        // Once, so that its one block is there; from then on a power cut leaves the old number or the new.
        let _ = journal.file.sync_all();
        Ok(journal)
    }

    fn write(&mut self, count: Count) -> Result<(), StoreError> {
        // One write of one small block: it is there as a whole or not at all when the process is killed.
        write_at_start(&mut self.file, &count.bytes())
            .map_err(|source| refused(&self.path, "write the journal", source))
    }
}

/// Makes the journal of a new database, in a directory where nobody looks for it yet.
pub(in crate::store::sled) fn make_new(path: &Path, count: Count) -> Result<(), StoreError> {
    make(&path.join(JOURNAL), count).map_err(|source| refused(path, "make the journal", source))
}

/// Makes a file under another name first, so that there is never half a number under this one.
fn make(path: &Path, count: Count) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    replace_file(path, &unfinished, &count.bytes()).inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

#[cfg(unix)]
fn write_at_start(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at_start(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek as _, SeekFrom, Write as _};
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody is logged out because of one bit on a disk. More are damage.
    #[test]
    fn one_bit_that_flipped_is_put_right() {
        let count = Count { changes: 1_234_567, accounts: Some(41), identity: NonZeroU64::new(0xa7_b3c5) };
        let whole = count.bytes();
        assert_eq!(Count::parse(&whole), Some(count));
        let bits = whole.len() * 8;
        for bit in 0..bits {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Count::parse(&flipped), Some(count), "{bit}");
            let other = (bit + 1 + bit * 7 % (bits - 1)) % bits;
            flipped[other / 8] ^= 1 << (other % 8);
            assert!(bit == other || Count::parse(&flipped).is_none(), "{bit} and {other}");
        }
        for damaged in [&[][..], &[7; 20], &[0; 12], &[0; 28], &whole[..20], &whole[..27], &[1; 64]] {
            assert_eq!(Count::parse(damaged), None, "{damaged:?}");
        }
    }
}
