//! The thread that reads sessions, tokens and index entries of a store while it is in use, and compares them
//! with its totals. What was read before the store was opened says `record_count`.
//!
//! It reads a page and rests for as long, so it takes half of one core at most, and nobody waits for it: it
//! holds no lock while it reads. If something is wrong, it reads all once more. If that is wrong too, the
//! store answers nothing any more but that it is damaged, and a file in its directory says so to the next
//! start, which then reads all before it serves.
//!
//! # Invariants
//!
//! 1. The thread ends before the writer does, and soon after it was asked to.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::files::doubt_mark;
use super::reader::StoreReader;
use super::record_check::{CheckStage, PageStart};
use super::record_count::uncounted;
use super::record_tally::RecordTally;
use crate::error::StoreError;

/// How many keys a page has.
const PAGE: usize = 256;
/// How long it rests after a page at most.
const TURN: Duration = Duration::from_millis(10);
/// How long it waits when nothing can be read: the store may be opened anew.
const RETRY: Duration = Duration::from_secs(1);

/// The handle of the thread. Dropping it waits for the end.
pub(super) struct RecordChecker {
    reader: Arc<StoreReader>,
    thread: Option<JoinHandle<()>>,
}

impl RecordChecker {
    pub(super) fn start(reader: Arc<StoreReader>) -> io::Result<Self> {
        let reading = CheckReading { reader: Arc::clone(&reader), page: PAGE, rests: true };
        let thread = thread::Builder::new().name("jwtauth-check".into()).spawn(move || reading.run())?;
        Ok(Self { reader, thread: Some(thread) })
    }
}

impl Drop for RecordChecker {
    fn drop(&mut self) {
        self.reader.check.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What came of reading all of it once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// All was read: what is wrong, if anything is.
    Read(Result<u64, String>),
    /// The store was opened anew.
    Restarted,
    /// It is being closed.
    Over,
}

/// Reads the records of a store.
pub(super) struct CheckReading {
    pub(super) reader: Arc<StoreReader>,
    /// How many keys a page has.
    pub(super) page: usize,
    pub(super) rests: bool,
}

impl CheckReading {
    fn run(&self) {
        let mut suspected = false;
        while let Some(start) = self.reader.check.next_page() {
            let begun = Instant::now();
            match self.pass(&start) {
                Pass::Read(Ok(keys)) => {
                    suspected = false;
                    tracing::info!(target: "jwtauth", path = ?self.reader.path, keys, took = ?begun.elapsed(), "every record of the session store was read, and it is whole");
                }
                Pass::Read(Err(problem)) if suspected => {
                    self.reader.refuse(format!("found while it was in use: {problem}"));
                    doubt_mark::write(&self.reader.path, &problem);
                    tracing::error!(target: "jwtauth", path = ?self.reader.path, problem, "the session store is damaged: it answers nothing any more, and nobody is let in. Stop the program, and see what `jwtauth doctor` says of the store");
                }
                Pass::Read(Err(problem)) => {
                    suspected = true;
                    tracing::warn!(target: "jwtauth", path = ?self.reader.path, problem, "the session store may be damaged: all of it is read once more");
                    // What fails for a moment only must not close the store for good.
                    if !self.reader.check.rest(RETRY) {
                        return;
                    }
                    self.reader.check.read_again(&start);
                }
                Pass::Restarted => suspected = false,
                Pass::Over => return,
            }
        }
    }

    /// Reads all from the start of a page on.
    pub(super) fn pass(&self, first: &PageStart) -> Pass {
        let check = &self.reader.check;
        let (mut keys, mut len) = (0, self.page);
        loop {
            let Some(start) = check.next_page() else { return Pass::Over };
            if !start.is_of(first) {
                return Pass::Restarted;
            }
            if start.range.is_none() {
                return match check.conclude(&start) {
                    Some(concluded) => Pass::Read(concluded.map(|()| keys)),
                    None => Pass::Restarted,
                };
            }
            let begun = Instant::now();
            match self.page(&start, len) {
                Ok(Some(read)) => {
                    keys += read;
                    len = self.page;
                }
                // The smaller it is, the sooner nothing in it changes meanwhile.
                Ok(None) => len = (len / 2).max(1),
                Err(StoreError::Corrupt { problem, .. }) => return Pass::Read(Err(problem)),
                Err(StoreError::NotAStore { found, .. }) => {
                    return Pass::Read(Err(format!("it holds a part of {found}")));
                }
                Err(error) => {
                    tracing::debug!(target: "jwtauth", path = ?self.reader.path, error = &error as &dyn std::error::Error, "the records of the session store cannot be read yet");
                    if !check.rest(RETRY) {
                        return Pass::Over;
                    }
                }
            }
            if self.rests && !check.rest(begun.elapsed().min(TURN)) {
                return Pass::Over;
            }
        }
    }

    /// Reads a page. Returns how many keys it has; `None` if one of them has changed meanwhile.
    fn page(&self, start: &PageStart, len: usize) -> Result<Option<u64>, StoreError> {
        let Some(range) = start.range.clone() else { return Ok(None) };
        let mut end = range.end.clone();
        let entries =
            self.reader.read(|tree| tree.range(range).take(len).collect::<::sled::Result<Vec<_>>>())?;
        if entries.len() == len
            && let Some((last, _)) = entries.last()
        {
            end = [last, &[0][..]].concat();
        }
        let mut tally = RecordTally::default();
        let counted = catch_unwind(AssertUnwindSafe(|| {
            entries.iter().try_for_each(|(key, value)| tally.take(key, value))
        }));
        match counted {
            Ok(counted) => counted.map_err(|error| uncounted(&self.reader.path, error))?,
            Err(_) => return Err(self.reader.corrupt("reading a record panicked")),
        }
        Ok(self.reader.check.take_page(start, end, &tally).then_some(entries.len() as u64))
    }
}

impl StoreReader {
    /// Tells whether every record was read since the store was opened, and nothing is wrong.
    pub(super) fn is_verified(&self) -> bool {
        self.check.stage() == CheckStage::Verified
    }

    /// Waits until every record was read.
    pub(super) async fn verified(&self) -> Result<(), StoreError> {
        let waited = self.check.wait().await;
        self.is_trusted()?;
        waited
    }
}
