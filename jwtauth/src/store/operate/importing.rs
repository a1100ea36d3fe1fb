//! Takes the records of an export into a store. Not to be confused with `Accounts::import` of the feature
//! `import`, which takes accounts of other programs.
//!
//! # Invariants
//!
//! 1. What is in the store stays as it is. So a second import of the same lines changes nothing.
//! 2. No session comes back to life that was revoked or forgotten here: unless the caller knows better, each
//!    session comes as one that is over.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, Read as _, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;

use super::super::codec::{self, MAX_RECORD};
use super::super::requests::LoginEffects;
use super::super::rules;
use super::super::session_store::SessionStore;
use super::super::value_store::NewValue;
use super::super::whole_store::{CopiedRecord, StoreRecord};
use super::export_lines::{AnyLine, EndLine, FirstLine, LineKind, VERSION, record_of};
use super::walk::{OperateError, Progress};
use crate::error::StoreError;
use crate::record::{Revocation, RevocationReason};

/// The longest line: a record, its bytes in base64url or escaped, and the names of its members.
const MAX_LINE: u64 = 8 * MAX_RECORD as u64;
/// How many records are written at the same time, so that they share what waits for the disk.
const AT_ONCE: usize = 64;

/// How records come in. The default lets nobody in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    keep_sessions: bool,
}

impl ImportOptions {
    /// Takes sessions in as they are. By default each one comes as revoked, because it may have been revoked
    /// since the export, here or there. A session that is here is never changed.
    #[must_use]
    pub const fn keep_sessions(mut self, keep: bool) -> Self {
        self.keep_sessions = keep;
        self
    }
}

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportCounts {
    /// Accounts that were added.
    pub accounts: u64,
    /// Sessions that were added, dead or alive.
    pub sessions: u64,
    /// Values that were added.
    pub values: u64,
    /// Records that were left out.
    pub skipped: u64,
}

/// A record that an import has left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedRecord {
    /// The number of its line, from 1.
    pub line: u64,
    /// What it is: an account with its name, or the kind of another record. No secret.
    pub what: String,
    /// Why it was left out.
    pub reason: SkipReason,
}

/// Why a record was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is in the store, as it is there or otherwise. It stays as it is there.
    #[error("it is here already")]
    IsHere,
    /// A session that is over in the store.
    #[error("it is over here")]
    IsOverHere,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// Another account has its name.
    #[error("its name is taken by another account")]
    NameTaken,
    /// A value that may let somebody in, and sessions are not kept.
    #[error("it may let somebody in")]
    LetsIn,
    /// Records of tokens, marks of values that were removed, and the audit trail stay where they are.
    #[error("records of this kind are not imported")]
    NotImported,
    /// The store keeps nothing of this kind.
    #[error("this store keeps none")]
    NotKept,
}

/// Takes the records of an [`export`](super::export) into a store, at `now`, in Unix seconds.
///
/// The whole file is read first, and nothing is changed if it is not whole. Then each record is one atomic
/// step. If the store fails in the middle, do it again. Memory: some 30 bytes a line. `skipped` hears of each
/// record that is left out. The store may be in use.
///
/// # Errors
///
/// - [`OperateError::NotAnExport`]: a line is none of an export, or the end is missing.
/// - [`OperateError::Read`]: the file cannot be read.
/// - [`OperateError::Stopped`]: `progress` said so. Some records may be there.
/// - [`OperateError::Store`]: the store failed. Some records may be there.
pub async fn import<F: BufRead + Seek + Send>(
    store: &Arc<dyn SessionStore>,
    mut file: F,
    options: ImportOptions,
    now: u64,
    skipped: &mut (dyn FnMut(SkippedRecord) + Send),
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<ImportCounts, OperateError> {
    let hasher = RandomState::new();
    let (last, lines) = check(&mut file, &hasher)?;
    let mut counts = ImportCounts::default();
    let mut running = JoinSet::new();
    let mut reader = LineReader::begin(file)?;
    while let Some((number, line)) = reader.next()? {
        if let Some(record) = reader.record(number, &line)? {
            let (CopiedRecord::Kept(record), key) = record else { continue };
            if last.get(&hasher.hash_one(&key)) != Some(&number) {
                continue;
            }
            if running.len() >= AT_ONCE {
                join(&mut running, &mut counts, skipped).await?;
            }
            let store = Arc::clone(store);
            running.spawn(async move {
                let what = describe(&record);
                let kind = RecordKind::of(&record);
                let skip = put(&store, record, options, now).await?;
                Ok((kind, skip.map(|reason| SkippedRecord { line: number, what, reason })))
            });
        }
        if progress(Progress { done: number, of: Some(lines), bytes: reader.bytes }).is_break() {
            return Err(OperateError::Stopped);
        }
    }
    while !running.is_empty() {
        join(&mut running, &mut counts, skipped).await?;
    }
    Ok(counts)
}

#[derive(Clone, Copy)]
enum RecordKind {
    #[cfg(feature = "accounts")]
    Account,
    Session,
    Other,
}

impl RecordKind {
    const fn of(record: &StoreRecord) -> Self {
        match record {
            #[cfg(feature = "accounts")]
            StoreRecord::Account(_) => Self::Account,
            StoreRecord::Session(_) => Self::Session,
            _ => Self::Other,
        }
    }
}

type Put = Result<(RecordKind, Option<SkippedRecord>), StoreError>;

async fn join(
    running: &mut JoinSet<Put>,
    counts: &mut ImportCounts,
    skipped: &mut (dyn FnMut(SkippedRecord) + Send),
) -> Result<(), OperateError> {
    let Some(done) = running.join_next().await else { return Ok(()) };
    match done.unwrap_or(Err(StoreError::Closed))? {
        (_, Some(record)) => {
            counts.skipped += 1;
            skipped(record);
        }
        #[cfg(feature = "accounts")]
        (RecordKind::Account, None) => counts.accounts += 1,
        (RecordKind::Session, None) => counts.sessions += 1,
        (RecordKind::Other, None) => counts.values += 1,
    }
    Ok(())
}

fn describe(record: &StoreRecord) -> String {
    match record {
        #[cfg(feature = "accounts")]
        StoreRecord::Account(account) => format!("account {:?}", account.name),
        StoreRecord::Session(session) => format!("session {}", session.id),
        StoreRecord::Event(event) => format!("event {}", event.number),
        StoreRecord::TrailHead(_) => "head of the audit trail".into(),
        StoreRecord::Token { .. } => "record of a token".into(),
        StoreRecord::Value { .. } => "value".into(),
    }
}

/// Adds a record, unless there is a reason not to.
async fn put(
    store: &Arc<dyn SessionStore>,
    record: StoreRecord,
    options: ImportOptions,
    now: u64,
) -> Result<Option<SkipReason>, StoreError> {
    match record {
        #[cfg(feature = "accounts")]
        StoreRecord::Account(account) => {
            let Some(accounts) = Arc::clone(store).account_store() else {
                return Ok(Some(SkipReason::NotKept));
            };
            let id = account.id;
            Ok(if accounts.create_account(account).await? {
                None
            } else if accounts.account(id).await?.is_some() {
                Some(SkipReason::IsHere)
            } else {
                Some(SkipReason::NameTaken)
            })
        }
        StoreRecord::Session(mut session) => {
            if let Some(here) = store.load(session.id).await? {
                let is_live = here.is_live_at(now);
                return Ok(Some(if is_live { SkipReason::IsHere } else { SkipReason::IsOverHere }));
            }
            if rules::has_expired(&session, now) {
                return Ok(Some(SkipReason::Expired));
            }
            if !options.keep_sessions {
                session.revoke(Revocation { at: now, reason: RevocationReason::Requested });
            }
            store.insert(*session, LoginEffects::default()).await?;
            Ok(None)
        }
        StoreRecord::Value { key, value } => {
            let expired = rules::value_has_expired(&value, now);
            if !options.keep_sessions && !rules::outlives_restore(&value) {
                return Ok(Some(SkipReason::LetsIn));
            }
            let Some(bytes) = value.bytes else { return Ok(Some(SkipReason::NotImported)) };
            if expired {
                return Ok(Some(SkipReason::Expired));
            }
            let Some(values) = Arc::clone(store).value_store() else { return Ok(Some(SkipReason::NotKept)) };
            if values.load_value(key, now).await?.is_some() {
                return Ok(Some(SkipReason::IsHere));
            }
            let new = NewValue::new(key, bytes, now, value.expires_at);
            Ok(if values.save_value(new).await? { None } else { Some(SkipReason::IsOverHere) })
        }
        // A trail says what has happened in its store.
        StoreRecord::Event(_) | StoreRecord::TrailHead(_) | StoreRecord::Token { .. } => {
            Ok(Some(SkipReason::NotImported))
        }
    }
}

/// Which line is the last one about each record, by a hash of its key.
type LastLines = HashMap<u64, u64>;

/// Reads all lines. Returns the last one about each record, and how many lines there are.
fn check<F: BufRead + Seek>(file: &mut F, hasher: &RandomState) -> Result<(LastLines, u64), OperateError> {
    let mut reader = LineReader::begin(file)?;
    let (mut last, mut lines, mut has_end) = (LastLines::new(), 0, false);
    while let Some((number, line)) = reader.next()? {
        lines = number;
        if has_end {
            return Err(wrong(number, "something follows the end"));
        }
        match reader.record(number, &line)? {
            Some((_, key)) => drop(last.insert(hasher.hash_one(&key), number)),
            None => has_end = number > 1,
        }
    }
    if has_end { Ok((last, lines)) } else { Err(wrong(lines, "the end is missing")) }
}

/// Reads lines of bounded length.
struct LineReader<F> {
    file: F,
    number: u64,
    bytes: u64,
}

impl<F: BufRead + Seek> LineReader<F> {
    fn begin(mut file: F) -> Result<Self, OperateError> {
        file.seek(SeekFrom::Start(0)).map_err(OperateError::Read)?;
        Ok(Self { file, number: 0, bytes: 0 })
    }

    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, OperateError> {
        let mut line = Vec::new();
        let read =
            (&mut self.file).take(MAX_LINE).read_until(b'\n', &mut line).map_err(OperateError::Read)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read as u64;
        if line.pop() != Some(b'\n') {
            return Err(wrong(self.number, "the line is cut, or too long"));
        }
        Ok(Some((self.number, line)))
    }

    /// Returns the record of a line with its key. `None` for the first line and the last one.
    #[expect(clippy::unused_self, reason = "it belongs to the lines of this reader")]
    fn record(&self, number: u64, line: &[u8]) -> Result<Option<(CopiedRecord, Vec<u8>)>, OperateError> {
        // What serde says of a line may quote it.
        let unread = |error: serde_json::Error| {
            wrong(number, &format!("it cannot be read, at column {}", error.column()))
        };
        let kind = serde_json::from_slice::<AnyLine>(line).map_err(unread)?.kind;
        match (kind, number) {
            (LineKind::Jwtauth, 1) => {
                let first: FirstLine = serde_json::from_slice(line).map_err(unread)?;
                if first.version != VERSION {
                    return Err(OperateError::NewerBackup { found: first.version, newest: VERSION });
                }
                Ok(None)
            }
            (_, 1) => Err(wrong(1, "it is no first line of an export")),
            (LineKind::End, _) => {
                let end: EndLine = serde_json::from_slice(line).map_err(unread)?;
                if end.lines + 1 == number {
                    Ok(None)
                } else {
                    Err(wrong(number, "lines before it are missing"))
                }
            }
            _ => {
                let record = record_of(kind, line).map_err(unread)?;
                let record = record
                    .filter(is_sound)
                    .ok_or_else(|| wrong(number, "it has no record for this store"))?;
                let key = match &record {
                    CopiedRecord::Kept(record) => record.key(),
                    CopiedRecord::Removed(key) => *key,
                };
                Ok(Some((record, codec::encode_key(&key))))
            }
        }
    }
}

/// Tells whether a record is one that this crate could have written.
fn is_sound(record: &CopiedRecord) -> bool {
    match record {
        #[cfg(feature = "accounts")]
        CopiedRecord::Kept(StoreRecord::Account(account)) => {
            let names = [&account.name, &account.key];
            names.iter().all(|name| (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte >= b' '))
        }
        CopiedRecord::Kept(StoreRecord::Session(session)) => (1..=255).contains(&session.subject.len()),
        _ => true,
    }
}

fn wrong(line: u64, problem: &str) -> OperateError {
    OperateError::NotAnExport { line, problem: problem.into() }
}
