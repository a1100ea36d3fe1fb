//! How answers are written: tables and lines for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process;
use std::sync::atomic::{AtomicI32, Ordering};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use jwtauth::__private::{json_for_terminals, printable};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Done, Failure};

/// Fails if standard output was closed before the program began: then what is written there goes to
/// /dev/null, which the standard library has opened in its place, and nobody has it.
#[cfg(unix)]
pub(crate) fn goes_somewhere() -> Done {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    let stdout = io::stdout();
    let flags = fcntl(stdout.as_fd(), FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
    // A shell opens it for writing only.
    let is_both_ways = flags.is_ok_and(|flags| flags & OFlag::O_ACCMODE == OFlag::O_RDWR);
    let device = stdout.as_fd().try_clone_to_owned().and_then(|own| std::fs::File::from(own).metadata());
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev());
    let is_null = matches!((device, null), (Ok(own), Ok(null)) if own.rdev() == null && null != 0);
    if is_both_ways && is_null {
        return Err(Failure::refused("standard output is closed: name a file, or send it elsewhere"));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn goes_somewhere() -> Done {
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Writes one answer.
    pub(crate) fn line(self, text: &str, json: &Value) {
        if self.json {
            write(escaped(json));
        } else {
            text.lines().for_each(|line| write(printable(line)));
        }
    }

    /// Writes an answer of several lines.
    pub(crate) fn text(self, lines: &[String], json: &Value) {
        if self.json {
            write(escaped(json));
        } else {
            lines.iter().for_each(|line| write(printable(line)));
        }
    }

    /// Writes names and values.
    pub(crate) fn fields(self, fields: &[(&str, String)], json: &Value) {
        if self.json {
            write(escaped(json));
            return;
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in fields {
            write(format!("{name:width$}  {}", printable(value)).trim_end());
        }
    }

    /// Begins a list with these columns.
    pub(crate) fn list(self, columns: &[&str]) -> List {
        let mut table = empty_table();
        table.set_header(columns.iter().map(|name| name.to_uppercase()));
        List { output: self, table, rows: 0 }
    }
}

/// How many rows are written at once. Their columns are as wide as the widest of these rows, and at least as
/// wide as those before. So a list of any length takes no more memory than that.
const BLOCK: usize = 1_000;

fn empty_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A list that is being written.
pub(crate) struct List {
    output: Output,
    table: Table,
    /// How many rows the table has that are not written yet.
    rows: usize,
}

impl List {
    pub(crate) fn row(&mut self, cells: &[String], json: &Value) {
        if self.output.json {
            write(escaped(json));
            return;
        }
        if self.rows == BLOCK {
            write(self.table.trim_fmt());
            let widths = self.table.column_max_content_widths();
            self.table = empty_table();
            self.rows = 0;
            self.add(cells);
            for (column, width) in self.table.column_iter_mut().zip(widths) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
            return;
        }
        self.add(cells);
    }

    fn add(&mut self, cells: &[String]) {
        self.table.add_row(cells.iter().map(|cell| printable(cell)));
        self.rows += 1;
    }

    pub(crate) fn end(self) {
        if !self.output.json {
            write(self.table.trim_fmt());
        }
    }
}

/// Says something beside the answer, on standard error.
pub(crate) fn say(text: &str) {
    show(&format!("jwtauth: {text}"));
}

/// Shows a line on standard error. If nobody reads that any more, the work goes on.
pub(crate) fn show(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// JSON, in which a terminal finds nothing to obey either.
fn escaped(json: &Value) -> String {
    json_for_terminals(&json.to_string()).into_owned()
}

/// What the program ends with if nobody reads its answer to the end.
static FOUND: AtomicI32 = AtomicI32::new(0);

/// Says before an answer with which code the program will end after it.
pub(crate) fn will_end_with(done: &Done) {
    let code = done.as_ref().map_or_else(|failure| failure.exit_code().into(), |()| 0);
    FOUND.store(code, Ordering::Relaxed);
}

/// Writes a line. The reader may have gone, as `head` does: that ends the program. No change is lost, because
/// an answer is written when the change is on disk.
fn write(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            process::exit(FOUND.load(Ordering::Relaxed))
        }
        Err(error) => {
            say(&format!("the answer cannot be written: {error}"));
            process::exit(3);
        }
    }
}

/// Whoever reads standard output, for what is written there in pieces. They may go before its end, as `head`
/// does: then nobody wants the rest.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) has_gone: bool,
}

impl Reader {
    fn noted<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        written.inspect_err(|error| self.has_gone |= error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl io::Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = io::stdout().write(bytes);
        self.noted(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = io::stdout().flush();
        self.noted(flushed)
    }
}

/// A number of things: `1 session`, `2 sessions`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// When something was used, if ever.
pub(crate) fn used(at: Option<u64>) -> String {
    at.map_or_else(|| "never".into(), shown)
}

/// A time of Unix seconds, in UTC.
pub(crate) fn shown(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}
