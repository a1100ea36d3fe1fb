//! Looks at the server and at every row, for a doctor. Damaged rows are counted, and the look goes on.

use std::ops::ControlFlow;

use tokio_postgres::Row;

use super::super::codec::{self, RecordError};
use super::super::operate::{DatabaseDiagnosis, UnreadableRow};
use super::super::sled::{Condition, Finding};
use super::super::whole_store::StoreRecord;
use super::account_steps::account_params;
use super::connections::{Param, Request};
use super::event_steps::event_params;
use super::schema_mark::SchemaMark;
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::table_check::TableCheck;
use super::{Database, PostgresStore, rows};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{PostgresError, StoreError};

/// How many rows are read at once, and how many that are damaged are named.
const PAGE: u64 = 256;
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
                "turn it on: servers refuse to start on this database",
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
        let statements = &self.database.statements;
        let none = || Param::from(&b""[..]);
        let tables: [(&'static str, u8, &SqlStatement, Vec<Param>); 5] = [
            ("accounts", b'a', &statements.check_accounts, vec![none()]),
            ("sessions", b's', &statements.check_sessions, vec![none()]),
            ("tokens", b't', &statements.check_tokens, vec![none(), none()]),
            ("kept_values", b'v', &statements.check_values, vec![none()]),
            ("events", b'e', &statements.events_behind, vec![Param::Number(-1)]),
        ];
        let mut done = 0;
        for (table, letter, statement, mut after) in tables {
            loop {
                let keys = after.len();
                let params = after.iter().cloned().chain([PAGE.into()]).collect();
                let found = self.database.read(statement, params).await?;
                for row in &found {
                    done += 1;
                    let (params, key) = key_of(row, letter, keys)?;
                    match problem_of(row, &key) {
                        Ok(()) => count(diagnosis, table),
                        Err(problem) => {
                            diagnosis.unreadable_rows += 1;
                            if diagnosis.unreadable.len() < NAMED {
                                let key = key[1..].iter().map(|byte| format!("{byte:02x}")).collect();
                                diagnosis.unreadable.push(UnreadableRow::new(table, key, problem));
                            }
                        }
                    }
                    after = params;
                }
                if look(done).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if (found.len() as u64) < PAGE {
                    break;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

const fn count(diagnosis: &mut DatabaseDiagnosis, table: &str) {
    let readable = &mut diagnosis.readable;
    // Tables are told apart by their first letter.
    let counter = match table.as_bytes() {
        [b'a', ..] => &mut readable.accounts,
        [b's', ..] => &mut readable.sessions,
        [b't', ..] => &mut readable.tokens,
        [b'k', ..] => &mut readable.values,
        _ => &mut readable.events,
    };
    *counter += 1;
}

/// Returns the first columns of a row: to go on behind it, and as the key of its record.
fn key_of(row: &Row, letter: u8, keys: usize) -> Result<(Vec<Param>, Vec<u8>), StepError> {
    let mut key = vec![letter];
    if letter == b'e' {
        let number: i64 = row.try_get(0)?;
        key.extend(number.to_be_bytes());
        return Ok((vec![Param::Number(number)], key));
    }
    let mut params = Vec::new();
    for column in 0..keys {
        let bytes = rows::bytes(row, column)?;
        key.extend(bytes);
        params.push(bytes.into());
    }
    Ok((params, key))
}

/// Says what is wrong with a row: its record, the last column, or a column that does not fit it.
fn problem_of(row: &Row, key: &[u8]) -> Result<(), String> {
    let unread = |error: &dyn std::fmt::Display| error.to_string();
    let record = rows::bytes(row, row.len() - 1).map_err(|_| "it has no record".to_owned())?;
    let record = codec::decode_record(key, record).map_err(|error: RecordError| unread(&error))?;
    let expected = match record {
        StoreRecord::Account(account) => account_params(&account),
        StoreRecord::Event(event) => event_params(event),
        StoreRecord::Session(session) => rows::session_params(&session),
        StoreRecord::Token { generation, token } => rows::token_params(generation, token),
        StoreRecord::Value { key, value } => rows::value_params(key, &value),
        StoreRecord::TrailHead(_) => return Ok(()),
    };
    let expected = expected.map_err(|error| unread(&error))?;
    let fits = |(column, expected): (usize, &Param)| match expected {
        Param::Bytes(bytes) => row.try_get::<_, &[u8]>(column).is_ok_and(|found| found == bytes),
        Param::Number(number) => row.try_get::<_, i64>(column).is_ok_and(|found| found == *number),
        Param::Many(_) | Param::Numbers(_) => false,
    };
    // The record itself may be of an earlier layout.
    let columns = &expected[..expected.len() - 1];
    if columns.iter().enumerate().all(fits) {
        Ok(())
    } else {
        Err("its columns are not those of its record".into())
    }
}
