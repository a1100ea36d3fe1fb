//! Writes all that a store keeps as lines of JSON, for people and other programs.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::session_store::SessionStore;
use super::export_lines::{EndLine, FirstLine, LineKind, VERSION, line_of};
use super::walk::{OperateError, Progress, begin_copy};
use crate::error::StoreError;
use crate::plain_text::json_for_terminals;

/// What an export writes. The default writes everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    no_hashes: bool,
}

impl ExportOptions {
    /// Leaves the hashes of passwords and API keys out. An account that is imported without one has no
    /// password: nobody can log in with it until one is set. An API key without one lets nobody in.
    #[must_use]
    pub const fn no_hashes(mut self, no_hashes: bool) -> Self {
        self.no_hashes = no_hashes;
        self
    }
}

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExportSummary {
    /// How many lines it has.
    pub lines: u64,
    /// How many records of the store could not be read. They are not in the export.
    #[serde(default)]
    pub unreadable: u64,
}

/// Writes all records of a store, each as one line of JSON.
///
/// The guide [`operating`](crate::guide::operating) shows the lines. They are of one moment, as those of a
/// [`backup`](super::backup) are, and as secret: who has one with hashes can try passwords. `now`, in Unix
/// seconds, stands in the first line. Writing to `sink` blocks.
///
/// # Errors
///
/// Those of [`backup`](super::backup).
pub async fn export(
    store: &Arc<dyn SessionStore>,
    sink: &mut (dyn Write + Send),
    options: ExportOptions,
    now: u64,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
) -> Result<ExportSummary, OperateError> {
    let (mut copy, expected) = begin_copy(store, progress).await?;
    let mut lines = Lines { sink: BufWriter::new(sink), lines: 0, bytes: 0 };
    let hashes = !options.no_hashes;
    lines.put(&serde_json::to_vec(&FirstLine {
        kind: LineKind::Jwtauth,
        version: VERSION,
        taken_at: now,
        hashes,
    }))?;
    loop {
        let page = copy.next().await?;
        page.records.iter().try_for_each(|record| lines.put(&line_of(record, hashes)))?;
        let done = lines.lines;
        let of = Some(expected).filter(|expected| done <= *expected);
        if progress(Progress { done, of, bytes: lines.bytes }).is_break() {
            return Err(OperateError::Stopped);
        }
        if let Some(totals) = page.end {
            let unreadable = totals.unreadable;
            let end = EndLine { kind: LineKind::End, lines: lines.lines, unreadable };
            lines.put(&serde_json::to_vec(&end))?;
            lines.sink.flush().map_err(OperateError::Write)?;
            return Ok(ExportSummary { lines: lines.lines, unreadable });
        }
    }
}

struct Lines<W: Write> {
    sink: BufWriter<W>,
    lines: u64,
    bytes: u64,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, line: &serde_json::Result<Vec<u8>>) -> Result<(), OperateError> {
        // Only the copy of a user in a session can be no JSON.
        let line = line.as_ref().map_err(|_| {
            StoreError::Backend("a session has a user value that is no JSON, which no export can hold".into())
        })?;
        // Others chose names and other texts in it, and people look at an export.
        let line = json_for_terminals(std::str::from_utf8(line).map_err(|_| StoreError::Closed)?);
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
        let written = self.sink.write_all(line.as_bytes()).and_then(|()| self.sink.write_all(b"\n"));
        written.map_err(OperateError::Write)
    }
}
