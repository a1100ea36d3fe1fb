//! Writes all that a store keeps as lines of JSON, for people and other programs.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::session_store::SessionStore;
use super::export_lines::{EndLine, FirstLine, LineKind, VERSION, line_of};
use super::walk::{OperateError, Progress, begin_copy};
use crate::error::StoreError;

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

/// Writes all records of a store, each as one line of JSON. Returns how many lines there are.
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
) -> Result<u64, OperateError> {
    let (mut copy, expected) = begin_copy(store).await?;
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
        if page.end.is_some() {
            let end = EndLine { kind: LineKind::End, lines: lines.lines };
            lines.put(&serde_json::to_vec(&end))?;
            lines.sink.flush().map_err(OperateError::Write)?;
            return Ok(lines.lines);
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
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
        let written = self.sink.write_all(line).and_then(|()| self.sink.write_all(b"\n"));
        written.map_err(OperateError::Write)
    }
}
