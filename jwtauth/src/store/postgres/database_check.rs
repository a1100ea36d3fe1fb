//! Looks at the server and at every row, for a doctor. Damaged rows are counted, and the look goes on.

use std::ops::ControlFlow;

use super::super::codec::RecordError;
use super::super::operate::{DatabaseDiagnosis, UnreadableRow};
use super::super::sled::{Condition, Finding};
use super::connections::Request;
use super::row_table::{RowFault, RowPages, RowTable};
use super::schema_mark::SchemaMark;
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::table_check::TableCheck;
use super::{Database, PostgresStore, rows};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{PostgresError, StoreError};

/// How many rows that are damaged are named.
const NAMED: usize = 100;

/// By how much the clocks of server and program may differ, in seconds.
const CLOCKS_DIFFER: u64 = 60;

/// What is asked of the server.
const SETTINGS: [&str; 7] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "data_checksums",
    "synchronous_standby_names",
    "transaction_read_only",
];

impl PostgresStore {
    /// Looks at the settings of the server, its clock, and the mark of the tables.
    pub(in crate::store) async fn look_at_server(
        &self,
        diagnosis: &mut DatabaseDiagnosis,
    ) -> Result<(), StoreError> {
        let database = &self.database;
        let asked = SETTINGS.map(|name| format!("current_setting('{name}', true)")).join(", ");
        let sql = format!("SELECT extract(epoch FROM now())::bigint, {asked}");
        let statement = SqlStatement { sql, types: Vec::new() };
        let mut connection = database.connections.take().await?;
        let request = [Request::Statement(&statement, Vec::new())];
        let found = connection.send(&request, database.timeout).await?.pop().unwrap_or_default();
        let row = found.first().ok_or_else(rows::is_damaged)?;
        for (column, name) in (1..).zip(SETTINGS) {
            diagnosis.settings.push((name, row.try_get::<_, Option<String>>(column).ok().flatten()));
        }
        let is = |name: &str, value: &str| {
            diagnosis.settings.iter().any(|(known, is)| *known == name && is.as_deref() == Some(value))
        };
        let mut findings = Vec::new();
        if is("fsync", "off") {
            findings.push(Finding::new(
                "fsync = off: a crash of the machine loses logouts that were acknowledged, or the whole database",
                "turn it on: servers refuse to start on this database, unless they say `allow_fsync_off()` because its storage is elsewhere",
            ));
        }
        if is("synchronous_commit", "off") {
            findings.push(Finding::new(
                "synchronous_commit = off: a crash of the server brings sessions back that had ended",
                "turn it on, for this database at least: ALTER DATABASE .. SET synchronous_commit = on",
            ));
        }
        if is("full_page_writes", "off") {
            findings.push(Finding::new(
                "full_page_writes = off: a power cut may leave half of a page",
                "turn it on, unless the file system never tears a page",
            ));
        }
        if is("transaction_read_only", "on") {
            findings.push(Finding::new(
                "this server takes no changes: it is a standby, or set so",
                "name the primary",
            ));
        }
        let (here, there) = (SystemClock.now(), row.try_get::<_, i64>(0).unwrap_or(0).unsigned_abs());
        if here.abs_diff(there) > CLOCKS_DIFFER {
            findings.push(Finding::new(
                format!("the clock of the server is {} seconds apart from this one", here.abs_diff(there)),
                "set both by NTP: sessions expire by the clock of each server of the application",
            ));
        }
        let latest = database.read(&database.statements.latest_time, Vec::new()).await?;
        let ahead = rows::number(&latest)?.saturating_sub(there);
        if ahead > CLOCKS_DIFFER {
            findings.push(Finding::new(
                format!("the store has seen a time that is {ahead} seconds ahead of the clock of the server"),
                "sessions expire by that time: the guide `scaling` says how to bring it back (A clock that stays ahead)",
            ));
        }
        if let Some(PostgresError::Rights { role, refused, remedy, .. }) = self.lacks_rights().await {
            let what = format!("role {role:?} may not {refused}: no server with this role starts");
            findings.push(Finding::new(what, remedy));
        }
        diagnosis.findings = findings;
        match self.mark().await? {
            Some(mark @ SchemaMark::Filling(_)) => {
                diagnosis.condition = Condition::Damaged;
                diagnosis.problem = Some(mark.refusal(&database.schema).to_string());
                diagnosis.next.push("the same migration or restore once more".into());
            }
            Some(SchemaMark::Moved(to)) => diagnosis.findings.push(Finding::new(
                format!("what is in it was moved to {to}, so it does not open"),
                "start the server there",
            )),
            None => {}
        }
        Ok(())
    }

    /// Returns what a server with this role would hear, unless that is not known now.
    async fn lacks_rights(&self) -> Option<PostgresError> {
        let Database { connections, schema, timeout, .. } = &*self.database;
        let tables = TableCheck { schema, connections, limit: *timeout };
        match tables.run(true).await {
            Err(StepError::Store(StoreError::Backend(cause))) => cause.downcast().ok().map(|cause| *cause),
            _ => None,
        }
    }

    /// Reads every row. `look` hears how many were read, and may stop it.
    pub(in crate::store) async fn look_at_rows(
        &self,
        diagnosis: &mut DatabaseDiagnosis,
        look: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut done = 0;
        for table in RowTable::ALL {
            let mut pages = RowPages::new(&self.database, table);
            while let Some(page) = pages.next().await? {
                for row in &page {
                    done += 1;
                    let Err(fault) = table.record(row) else {
                        count(diagnosis, table);
                        continue;
                    };
                    diagnosis.unreadable_rows += 1;
                    if let RowFault::Record(RecordError::NewerLayout { found, newest }) = fault {
                        diagnosis.newer = Some((found, newest));
                    }
                    if diagnosis.unreadable.len() < NAMED {
                        let key = rows::hex(table.key(row)?.get(1..).unwrap_or_default());
                        diagnosis.unreadable.push(UnreadableRow::new(table.name(), key, text(&fault)));
                    }
                }
                if look(done).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        if self.is_head_damaged().await? {
            diagnosis.unreadable_rows += 1;
            let problem = text(&RowFault::Record(RecordError::Damaged));
            diagnosis.unreadable.push(UnreadableRow::new("trail_head", String::new(), problem));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Counts the rows of a table that are damaged.
    pub(super) async fn count_damaged(&self, table: RowTable) -> Result<u64, StoreError> {
        let (mut pages, mut damaged) = (RowPages::new(&self.database, table), 0);
        while let Some(page) = pages.next().await? {
            damaged += page.iter().filter(|row| table.record(row).is_err()).count() as u64;
        }
        let has_head = table == RowTable::Events && self.is_head_damaged().await?;
        Ok(damaged + u64::from(has_head))
    }
}

const fn count(diagnosis: &mut DatabaseDiagnosis, table: RowTable) {
    let readable = &mut diagnosis.readable;
    let counter = match table {
        RowTable::Accounts => &mut readable.accounts,
        RowTable::Sessions => &mut readable.sessions,
        RowTable::Tokens => &mut readable.tokens,
        RowTable::Values => &mut readable.values,
        RowTable::Events => &mut readable.events,
    };
    *counter += 1;
}

/// Says what is wrong with a row.
fn text(fault: &RowFault) -> String {
    match fault {
        RowFault::Record(error) => error.to_string(),
        RowFault::Columns(_) => "its columns are not those of its record".into(),
    }
}
