//! How answers are written: tables and lines for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Writes one answer.
    pub(crate) fn line(self, text: &str, json: &Value) {
        if self.json {
            write(json);
        } else {
            write(text);
        }
    }

    /// Writes an answer of several lines.
    pub(crate) fn text(self, lines: &[String], json: &Value) {
        if self.json {
            write(json);
        } else {
            lines.iter().for_each(|line| write(printable(line)));
        }
    }

    /// Writes names and values.
    pub(crate) fn fields(self, fields: &[(&str, String)], json: &Value) {
        if self.json {
            write(json);
            return;
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in fields {
            write(format!("{name:width$}  {}", printable(value)).trim_end());
        }
    }

    /// Begins a list with these columns.
    pub(crate) fn list(self, columns: &[&str]) -> List {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|name| name.to_uppercase()));
        List { output: self, table }
    }
}

/// A list that is being written.
pub(crate) struct List {
    output: Output,
    table: Table,
}

impl List {
    pub(crate) fn row(&mut self, cells: &[String], json: &Value) {
        if self.output.json {
            write(json);
        } else {
            self.table.add_row(cells.iter().map(|cell| printable(cell)));
        }
    }

    pub(crate) fn end(self) {
        if !self.output.json {
            write(self.table.trim_fmt());
        }
    }
}

/// Writes a line. The reader may have gone, as `head` does: that ends the program. No change is lost, because
/// an answer is written when the change is on disk.
fn write(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            eprintln!("jwtauth: the answer cannot be written: {error}");
            process::exit(3);
        }
    }
}

/// Text that others chose, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time of Unix seconds, in UTC.
pub(crate) fn shown(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}
