//! The records of a backup, each as it comes into a store: nobody is let in by one that is in doubt.

use std::collections::{HashSet, VecDeque};
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use super::super::doubt::Doubt;
use super::super::rules;
use super::super::value_store::ValueKey;
use super::super::whole_store::{CopiedRecord, RecordKey, StoreRecord};
use super::backup_file::{BackupFrame, BackupReader, damaged};
use super::walk::{OperateError, Progress};
use crate::events::{EventDetails, TrailHead};
use crate::id::SessionId;

/// How many records are read before progress is reported.
const REPORT: u64 = 1_024;

/// Reads them, one after the other.
pub(super) struct BackupRecords<'f, F: Read> {
    reader: BackupReader<&'f mut F>,
    /// How many frames there are, and the checksum of the whole.
    expected: (u64, u32),
    doubt: Doubt,
    ended: Ended,
    /// What follows the last record of the file.
    rest: Option<VecDeque<CopiedRecord>>,
}

impl<'f, F: Read + Seek> BackupRecords<'f, F> {
    /// Begins at the start of the file. `expected` is how many frames it has, and its checksum.
    pub(super) fn begin(
        file: &'f mut F,
        expected: (u64, u32),
        keep_sessions: bool,
        now: u64,
    ) -> Result<Self, OperateError> {
        // The time of a backup is known, so whoever restores it knows what has to be done again to accounts.
        let doubt = Doubt { keep_sessions, keep_accounts: true, now };
        file.seek(SeekFrom::Start(0)).map_err(OperateError::Read)?;
        let reader = BackupReader::begin(file)?;
        Ok(Self { reader, expected, doubt, ended: Ended::default(), rest: None })
    }

    /// Returns the next one. Of several with one key the last one counts.
    pub(super) fn next(&mut self) -> Result<Option<CopiedRecord>, OperateError> {
        if let Some(rest) = &mut self.rest {
            return Ok(rest.pop_front());
        }
        match self.reader.next()? {
            BackupFrame::Record(CopiedRecord::Kept(record)) => {
                if let StoreRecord::TrailHead(head) = &record {
                    self.ended.trail = Some(*head);
                }
                Ok(Some(CopiedRecord::Kept(self.ended.settle(record, self.doubt))))
            }
            BackupFrame::Record(CopiedRecord::Removed(key)) => {
                self.ended.forget(&key);
                Ok(Some(CopiedRecord::Removed(key)))
            }
            BackupFrame::End { whole, .. } if whole == self.expected.1 => {
                self.rest.insert(self.noted()).pop_front().map_or(Ok(None), |record| Ok(Some(record)))
            }
            BackupFrame::End { .. } => Err(damaged("it was replaced while it was read")),
        }
    }

    /// Notes the restore in the audit trail, if there is one.
    fn noted(&self) -> VecDeque<CopiedRecord> {
        let Some(head) = self.ended.trail else { return VecDeque::new() };
        let restored = EventDetails::new("store_restored", self.doubt.now);
        let restored = restored.with("backup_taken_at", self.reader.taken_at);
        let change = rules::append_events(Some(head), None, vec![restored], head.keep);
        let removed = change.removed.map(|number| CopiedRecord::Removed(RecordKey::Event(number)));
        let added = change.added.into_iter().map(|event| CopiedRecord::Kept(StoreRecord::Event(event)));
        let head = CopiedRecord::Kept(StoreRecord::TrailHead(change.head));
        removed.chain(added).chain([head]).collect()
    }

    /// Returns how many sessions and values were live and are over now.
    pub(super) fn ended(&self) -> (u64, u64) {
        (self.ended.sessions.len() as u64, self.ended.values.len() as u64)
    }

    /// Tells from time to time how far it is.
    pub(super) fn report(
        &self,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<(), OperateError> {
        report(&self.reader, Some(self.expected.0), progress)
    }
}

/// The same, for one who reads a backup for another reason.
pub(super) fn report<R: Read>(
    reader: &BackupReader<R>,
    of: Option<u64>,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<(), OperateError> {
    let done = reader.frames;
    if done.is_multiple_of(REPORT) && progress(Progress { done, of, bytes: reader.bytes }).is_break() {
        return Err(OperateError::Stopped);
    }
    Ok(())
}

/// What was ended. Of a record that comes twice the last one counts.
#[derive(Default)]
struct Ended {
    sessions: HashSet<SessionId>,
    values: HashSet<ValueKey>,
    /// Where the audit trail ends.
    trail: Option<TrailHead>,
}

impl Ended {
    /// Ends what lets somebody in, unless it is kept.
    fn settle(&mut self, record: StoreRecord, doubt: Doubt) -> StoreRecord {
        self.forget(&record.key());
        match record {
            StoreRecord::Session(mut session) => {
                if doubt.settle_session(&mut session) {
                    self.sessions.insert(session.id);
                }
                StoreRecord::Session(session)
            }
            StoreRecord::Value { key, value } if !doubt.keeps_value(&value) => {
                let Some((mark, was_live)) = rules::remove_value(&value, doubt.now) else {
                    return StoreRecord::Value { key, value };
                };
                if was_live {
                    self.values.insert(key);
                }
                StoreRecord::Value { key, value: mark }
            }
            other => other,
        }
    }

    fn forget(&mut self, key: &RecordKey) {
        match key {
            RecordKey::Session(id) => drop(self.sessions.remove(id)),
            RecordKey::Value(key) => drop(self.values.remove(key)),
            _ => {}
        }
    }
}
