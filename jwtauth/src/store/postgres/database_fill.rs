//! Puts all records of another store into tables that are empty.
//!
//! # Invariants
//!
//! 1. Before the first record is there, the tables are [marked](SchemaMark::Filling), so that nobody serves
//!    them. The mark goes with the last step, when all are there.
//! 2. Tables that hold anything are refused, unless they have that mark: then all in them came from here, and
//!    goes first.
//! 3. Of two that fill the same tables the later one wins: each writes only as long as the mark is its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::codec;
use super::super::whole_store::{CopiedRecord, RecordKey, StoreRecord};
use super::account_steps::account_params;
use super::connections::Param;
use super::event_steps::event_params;
use super::schema_mark::{SchemaMark, mark_in};
use super::statements::SqlStatement;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{Database, PostgresStore, rows};
use crate::error::StoreError;
use crate::id::TokenId;

/// How many records are written at once, and how many bytes of them.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 1_000_000;

/// How many rows are removed at once.
const EMPTIED: u64 = 5_000;

/// Tables that are being filled.
pub(in crate::store) struct DatabaseFill {
    database: Arc<Database>,
    mark: SchemaMark,
    /// What is to be written next, by its key. `None` is to be removed.
    pending: BTreeMap<Vec<u8>, Option<StoreRecord>>,
    bytes: usize,
}

/// What becomes of tables that are to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// They hold something.
    Occupied,
    /// One that was stopped has left something.
    Left,
    Empty,
}

struct BeginFill(SchemaMark);

impl DatabaseStep for BeginFill {
    type Outcome = Beginning;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<Beginning, StepError> {
        let statements = transaction.statements();
        let found = transaction.query(&statements.lock_mark, Vec::new()).await?;
        let beginning = match mark_in(&found)? {
            Some(SchemaMark::Filling(_)) => Beginning::Left,
            Some(SchemaMark::Moved(_)) => return Ok(Beginning::Occupied),
            None if transaction.found(&statements.holds_anything, Vec::new()).await? => {
                return Ok(Beginning::Occupied);
            }
            None => Beginning::Empty,
        };
        transaction.put_mark(Some(&self.0));
        Ok(beginning)
    }
}

/// Removes some rows of a table. Returns whether there are more.
struct Empty(SchemaMark, FilledTable);

#[derive(Clone, Copy, Debug)]
enum FilledTable {
    Accounts,
    Events,
    Sessions,
    Subjects,
    Tokens,
    Values,
}

impl DatabaseStep for Empty {
    type Outcome = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, StepError> {
        transaction.still_fills(&self.0).await?;
        let statements = transaction.statements();
        let statement = match self.1 {
            FilledTable::Accounts => &statements.empty_accounts,
            FilledTable::Events => &statements.empty_events,
            FilledTable::Sessions => &statements.empty_sessions,
            FilledTable::Subjects => &statements.empty_subjects,
            FilledTable::Tokens => &statements.empty_tokens,
            FilledTable::Values => &statements.empty_values,
        };
        transaction.write(&statements.clear_trail, Vec::new());
        let removed = transaction.query(statement, vec![EMPTIED.into()]).await?;
        Ok(removed.len() as u64 == EMPTIED)
    }
}

/// Writes records and removes others.
struct FillBatch {
    mark: SchemaMark,
    /// The rows of each table, as columns.
    accounts: Vec<Param>,
    events: Vec<Param>,
    sessions: Vec<Param>,
    tokens: Vec<Param>,
    values: Vec<Param>,
    head: Option<Vec<u8>>,
    removed: Vec<RecordKey>,
}

impl FillBatch {
    fn new(mark: SchemaMark, records: BTreeMap<Vec<u8>, Option<StoreRecord>>) -> Result<Self, StoreError> {
        let (mut accounts, mut events, mut sessions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut tokens, mut values, mut removed, mut head) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (key, record) in records {
            match record {
                None => removed.extend(codec::decode_key(&key)),
                Some(StoreRecord::Account(account)) => accounts.push(account_params(&account)?),
                Some(StoreRecord::Event(event)) => events.push(event_params(event)?),
                Some(StoreRecord::Session(session)) => sessions.push(rows::session_params(&session)?),
                Some(StoreRecord::Token { generation, token }) => {
                    tokens.push(rows::token_params(generation, token)?);
                }
                Some(StoreRecord::TrailHead(_)) => {
                    head = record.as_ref().map(codec::encode_record).transpose()?.map(|(_, bytes)| bytes);
                }
                Some(StoreRecord::Value { key, value }) => values.push(rows::value_params(key, &value)?),
            }
        }
        Ok(Self {
            mark,
            accounts: columns(accounts),
            events: columns(events),
            sessions: columns(sessions),
            tokens: columns(tokens),
            values: columns(values),
            head,
            removed,
        })
    }
}

/// Turns rows into columns.
fn columns(rows: Vec<Vec<Param>>) -> Vec<Param> {
    let mut columns = Vec::new();
    for row in rows {
        for (number, cell) in row.into_iter().enumerate() {
            match (cell, columns.get_mut(number)) {
                (Param::Bytes(bytes), Some(Param::Many(column))) => column.push(bytes),
                (Param::Bytes(bytes), _) => columns.push(Param::Many(vec![bytes])),
                (Param::Number(cell), Some(Param::Numbers(column))) => column.push(cell),
                (Param::Number(cell), _) => columns.push(Param::Numbers(vec![cell])),
                // A row has no such cells.
                (Param::Many(_) | Param::Numbers(_), _) => {}
            }
        }
    }
    columns
}

impl DatabaseStep for FillBatch {
    type Outcome = ();

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        transaction.still_fills(&self.mark).await?;
        let statements = transaction.statements();
        for key in &self.removed {
            transaction.remove_record(key);
        }
        if let [ids, keys, _] = &self.accounts[..] {
            transaction.write(&statements.free_names, vec![ids.clone(), keys.clone()]);
        }
        if let Some(subjects) = self.sessions.get(1) {
            transaction.write(&statements.fill_subjects, vec![subjects.clone()]);
        }
        let tables: [(&SqlStatement, &Vec<Param>); 5] = [
            (&statements.fill_accounts, &self.accounts),
            (&statements.fill_events, &self.events),
            (&statements.fill_sessions, &self.sessions),
            (&statements.fill_tokens, &self.tokens),
            (&statements.fill_values, &self.values),
        ];
        for (statement, columns) in tables {
            if !columns.is_empty() {
                transaction.write(statement, columns.clone());
            }
        }
        if let Some(head) = &self.head {
            transaction.write(&statements.change_trail, vec![head.clone().into()]);
        }
        Ok(())
    }
}

/// Lets the tables be served.
struct EndFill {
    mark: SchemaMark,
    latest: u64,
}

impl DatabaseStep for EndFill {
    type Outcome = ();

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<(), StepError> {
        transaction.still_fills(&self.mark).await?;
        transaction.write(&transaction.statements().keep_time, vec![self.latest.into()]);
        transaction.put_mark(None);
        Ok(())
    }
}

impl Transaction<'_> {
    /// Fails if the tables have another mark. It stays until this transaction ends.
    async fn still_fills(&mut self, mark: &SchemaMark) -> Result<(), StepError> {
        let found = self.query(&self.statements().lock_mark, Vec::new()).await?;
        if mark_in(&found)?.as_ref() == Some(mark) {
            return Ok(());
        }
        let what = "another migration or restore has begun to fill the same tables: let that one end";
        Err(StoreError::Backend(what.into()).into())
    }

    fn remove_record(&mut self, key: &RecordKey) {
        let statements = self.statements();
        match key {
            RecordKey::Account(id) => {
                self.write(&statements.remove_account, vec![id.as_bytes()[..].into()]);
            }
            RecordKey::Event(number) => {
                let after = number.saturating_add(1);
                self.write(&statements.remove_events, vec![(*number).into(), after.into()]);
            }
            RecordKey::TrailHead => self.write(&statements.clear_trail, Vec::new()),
            RecordKey::Session(id) => {
                self.write(&statements.remove_sessions, vec![rows::ids([*id])]);
            }
            RecordKey::Token { session, generation, kind, id } => {
                let none = TokenId::from_bytes([0; 16]);
                let place = rows::place(*generation, *kind, id.unwrap_or(none));
                self.write(&statements.remove_token, vec![session.as_bytes()[..].into(), place.into()]);
            }
            RecordKey::Value(name) => {
                self.write(&statements.remove_value, vec![name.as_bytes()[..].into()]);
            }
        }
    }
}

impl DatabaseFill {
    /// Begins to fill the tables of a store. `None` if they hold something already.
    pub(in crate::store) async fn begin(store: &PostgresStore) -> Result<Option<Self>, StoreError> {
        let database = Arc::clone(&store.database);
        let who = TokenId::random().map_err(|error| StoreError::Backend(error.into()))?;
        let mark = SchemaMark::Filling(who.to_string());
        match database.carry_out(&BeginFill(mark.clone())).await? {
            Beginning::Occupied => return Ok(None),
            Beginning::Empty => {}
            Beginning::Left => {
                let tables = [FilledTable::Accounts, FilledTable::Events, FilledTable::Sessions];
                for table in tables.into_iter().chain([
                    FilledTable::Subjects,
                    FilledTable::Tokens,
                    FilledTable::Values,
                ]) {
                    while database.carry_out(&Empty(mark.clone(), table)).await? {}
                }
            }
        }
        Ok(Some(Self { database, mark, pending: BTreeMap::new(), bytes: 0 }))
    }

    /// Takes in what a copy says. What came before under the same key goes.
    pub(in crate::store) async fn take(&mut self, records: Vec<CopiedRecord>) -> Result<(), StoreError> {
        for record in records {
            match record {
                CopiedRecord::Kept(record) => {
                    // Of two that are written at once with one name, the later one has it.
                    if let StoreRecord::Account(account) = &record {
                        self.pending.retain(|_, other| {
                            !matches!(other, Some(StoreRecord::Account(other)) if other.key == account.key)
                        });
                    }
                    let (key, bytes) = codec::encode_record(&record)?;
                    self.bytes += key.len() + bytes.len();
                    self.pending.insert(key, Some(record));
                }
                CopiedRecord::Removed(key) => drop(self.pending.insert(codec::encode_key(&key), None)),
            }
            if self.pending.len() >= BATCH || self.bytes >= BATCH_BYTES {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes all that was taken in.
    pub(in crate::store) async fn write(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let batch = FillBatch::new(self.mark.clone(), std::mem::take(&mut self.pending))?;
        self.database.carry_out(&batch).await
    }

    /// Lets the tables be served: all is there. `latest` is the latest time that the records know.
    pub(in crate::store) async fn finish(self, latest: u64) -> Result<(), StoreError> {
        self.database.carry_out(&EndFill { mark: self.mark, latest }).await?;
        self.database.time.raise(latest, 0);
        Ok(())
    }
}
