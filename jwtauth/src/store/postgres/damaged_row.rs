//! A row that is damaged, as it was: what a repair keeps of it.

use serde_json::{Map, Value, json};
use tokio_postgres::Row;

use super::connections::Param;
use super::row_table::RowTable;
use super::rows;
use super::step_error::StepError;

/// What stood in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Bytes(Vec<u8>),
    Number(i64),
}

/// A row of a table that holds records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct DamagedRow {
    pub(super) table: RowTable,
    /// All its columns, in their order.
    pub(super) cells: Vec<Cell>,
}

impl DamagedRow {
    pub(super) fn read(table: RowTable, row: &Row) -> Result<Self, StepError> {
        let cell = |column: usize, name: &str| {
            Ok(match name {
                "expires_at" | "number" => Cell::Number(row.try_get(column)?),
                _ => Cell::Bytes(rows::bytes(row, column)?.to_vec()),
            })
        };
        let cells = table.columns().iter().enumerate().map(|(column, name)| cell(column, name));
        Ok(Self { table, cells: cells.collect::<Result<_, StepError>>()? })
    }

    /// Returns the bytes of a column.
    pub(super) fn bytes(&self, column: usize) -> &[u8] {
        match self.cells.get(column) {
            Some(Cell::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Returns the time or number in a column.
    pub(super) fn number(&self, column: usize) -> i64 {
        match self.cells.get(column) {
            Some(Cell::Number(number)) => *number,
            _ => 0,
        }
    }

    /// Returns what tells it from the other rows of its table.
    pub(super) fn key(&self) -> Vec<Param> {
        match self.table {
            RowTable::Events => vec![Param::Number(self.number(0))],
            RowTable::Tokens => vec![self.bytes(0).into(), self.bytes(1).into()],
            RowTable::Accounts | RowTable::Sessions | RowTable::Values => vec![self.bytes(0).into()],
        }
    }

    /// Returns it as one line of JSON. Bytes are written as PostgreSQL reads them.
    pub(in crate::store) fn line(&self) -> String {
        let cells = self.table.columns().iter().zip(&self.cells).map(|(name, cell)| {
            let cell = match cell {
                Cell::Bytes(bytes) => Value::String(format!("\\x{}", rows::hex(bytes))),
                Cell::Number(number) => json!(number),
            };
            ((*name).to_owned(), cell)
        });
        json!({ "table": self.table.name(), "columns": cells.collect::<Map<_, _>>() }).to_string()
    }
}

/// Returns the damaged head of an audit trail as such a line.
pub(super) fn head_line(head: &[u8]) -> String {
    json!({ "table": "trail_head", "columns": { "record": format!("\\x{}", rows::hex(head)) } }).to_string()
}
