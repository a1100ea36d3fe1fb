//! Takes damaged rows out of the tables, while servers use them.
//!
//! # What becomes of a row
//!
//! | row | its record cannot be read | another column does not fit its record |
//! |---|---|---|
//! | session | it goes | it is revoked, and its columns are set right |
//! | account | its name stays taken, by an account that is disabled and that no password fits; its sessions are revoked | its name is set right. If another account has that name, it goes |
//! | value | an empty one takes its place that keeps out, until it would have expired | the column is set right |
//! | token | it goes | the column is set right |
//! | event | it goes, and a check of the trail says that it is missing | |
//!
//! # Invariants
//!
//! 1. Nobody is let in by a repair. A record that is whole by its checksum, in a row that is whole, stays as
//!    it is: in a database each row is damaged for itself.
//! 2. No row is changed that was not kept before, exactly as it was. One that has changed since is left
//!    alone.

use std::ops::ControlFlow;

use tokio_postgres::Row;

use super::super::account_store::{PasswordHash, StoredAccount};
use super::super::operate::{AccountRef, RowRepairs};
use super::super::requests::SubjectRevocation;
use super::super::value_store::{StoredValue, ValueKey, ValueUse};
use super::super::whole_store::StoreRecord;
use super::account_steps::account_params;
use super::connections::Param;
use super::damaged_row::{DamagedRow, head_line};
use super::event_steps::TrailRepair;
use super::row_table::{RowFault, RowPages, RowTable, params};
use super::rows;
use super::step_error::StepError;
use super::transaction::{DatabaseStep, Transaction};
use super::{Database, PostgresStore};
use crate::error::StoreError;
use crate::events::EventDetails;
use crate::id::AccountId;
use crate::record::{Revocation, RevocationReason};

/// What the password is checked against of an account that cannot be read: no password fits.
const NO_PASSWORD: &str = "lost";

/// The longest name of an account, in bytes.
const MAX_NAME: usize = 255;

/// Sets some rows of one table right.
struct RepairRows {
    rows: Vec<DamagedRow>,
    /// In Unix seconds.
    now: u64,
}

impl DatabaseStep for RepairRows {
    type Outcome = RowRepairs;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<RowRepairs, StepError> {
        let mut repairs = RowRepairs::default();
        let mut accounts = Vec::new();
        for row in &self.rows {
            let statements = transaction.statements();
            let lock = match row.table {
                RowTable::Accounts => &statements.lock_account,
                RowTable::Events => &statements.lock_event,
                RowTable::Sessions => &statements.lock_session,
                RowTable::Tokens => &statements.lock_token,
                RowTable::Values => &statements.lock_value,
            };
            let found = transaction.query(lock, row.key()).await?;
            let Some(found) = found.first() else { continue };
            if DamagedRow::read(row.table, found)? != *row {
                continue;
            }
            let Err(fault) = row.table.record(found) else { continue };
            let record = match fault {
                RowFault::Columns(record) => Some(*record),
                RowFault::Record(error) => rows::readable(Err(error))?,
            };
            repairs.rows += 1;
            match row.table {
                RowTable::Accounts => accounts.push((row, record)),
                RowTable::Events => {
                    transaction.write(&statements.remove_event, row.key());
                    repairs.events_removed += 1;
                }
                RowTable::Sessions => {
                    self.session(transaction, row, record)?;
                    repairs.sessions_ended += 1;
                }
                RowTable::Tokens => match record {
                    Some(record) => {
                        transaction.write(&statements.put_token, params(&record)?);
                        repairs.mended += 1;
                    }
                    None => {
                        transaction.write(&statements.remove_token, row.key());
                        repairs.tokens_removed += 1;
                    }
                },
                RowTable::Values => value(transaction, row, record, &mut repairs)?,
            }
        }
        if !accounts.is_empty() {
            self.accounts(transaction, accounts, &mut repairs).await?;
        }
        Ok(repairs)
    }
}

impl RepairRows {
    /// Ends a session. Its row stays if its record can be read, so that whoever lists sessions sees it.
    fn session(
        &self,
        transaction: &mut Transaction<'_>,
        row: &DamagedRow,
        record: Option<StoreRecord>,
    ) -> Result<(), StepError> {
        let statements = transaction.statements();
        if let Some(StoreRecord::Session(mut session)) = record {
            session.revoke(self.revocation());
            transaction.lock_subject(&session.subject);
            transaction.write(&statements.put_session, rows::session_params(&session)?);
        } else {
            transaction.write(&statements.remove_sessions, vec![Param::Many(vec![row.bytes(0).to_vec()])]);
        }
        transaction.forget_subjects(vec![row.bytes(1).to_vec()]);
        Ok(())
    }

    const fn revocation(&self) -> Revocation {
        Revocation { at: self.now, reason: RevocationReason::Requested }
    }

    /// Takes all of them out, and puts back what can be: names may have changed places.
    async fn accounts(
        &self,
        transaction: &mut Transaction<'_>,
        damaged: Vec<(&DamagedRow, Option<StoreRecord>)>,
        repairs: &mut RowRepairs,
    ) -> Result<(), StepError> {
        for (row, _) in &damaged {
            transaction.write(&transaction.statements().remove_account, row.key());
        }
        // Those that can be read have their names before others.
        let (readable, lost): (Vec<_>, Vec<_>) =
            damaged.into_iter().partition(|(_, record)| record.is_some());
        for (row, record) in readable.into_iter().chain(lost) {
            let whole = match record {
                Some(StoreRecord::Account(account)) => Some(account),
                _ => None,
            };
            let is_lost = whole.is_none();
            let Some(account) = whole.or_else(|| self.place_holder(row)) else {
                repairs
                    .left_out
                    .push(AccountRef { name: rows::hex(row.bytes(1)), id: rows::hex(row.bytes(0)) });
                continue;
            };
            let reference = AccountRef { name: account.key.clone(), id: account.id.to_string() };
            let params = account_params(&account)?;
            let is_back = transaction.found(&transaction.statements().add_account, params).await?;
            if is_lost || !is_back {
                let revocation = SubjectRevocation::all(self.revocation());
                transaction.revoke_all(account.id, &revocation).await?;
            }
            match (is_back, is_lost) {
                (false, _) => repairs.left_out.push(reference),
                (true, true) => repairs.disabled.push(reference),
                (true, false) => repairs.mended += 1,
            }
        }
        Ok(())
    }

    /// Returns an account that only keeps a name. `None` if the row has no name.
    fn place_holder(&self, row: &DamagedRow) -> Option<StoredAccount> {
        let name = std::str::from_utf8(row.bytes(1)).ok()?;
        let is_name = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
        let id = match row.bytes(0).try_into() {
            Ok(id) => AccountId::from_bytes(id),
            // What is no id names nobody's sessions either.
            Err(_) => AccountId::random().ok()?,
        };
        let hash = PasswordHash::from_phc(NO_PASSWORD.into());
        let account = StoredAccount::new(id, name.into(), name.into(), hash, self.now);
        is_name.then_some(StoredAccount { active: false, ..account })
    }
}

/// Sets a value right, or puts one in its place: of tokens of another service it says that they were revoked,
/// and nobody who reads it is let in.
fn value(
    transaction: &mut Transaction<'_>,
    row: &DamagedRow,
    record: Option<StoreRecord>,
    repairs: &mut RowRepairs,
) -> Result<(), StepError> {
    let statements = transaction.statements();
    if let Some(record) = record {
        transaction.write(&statements.change_value, params(&record)?);
        repairs.mended += 1;
        return Ok(());
    }
    repairs.values_replaced += 1;
    match row.bytes(0).try_into().map(ValueKey::from_bytes) {
        Ok(name) => {
            let value = StoredValue {
                expires_at: row.number(1).try_into().unwrap_or(0),
                bytes: Some(Vec::new()),
                value_use: ValueUse::KeepsOut,
            };
            transaction.write(&statements.change_value, rows::value_params(name, &value)?);
        }
        // Nobody asks for such a name.
        Err(_) => transaction.write(&statements.remove_value, row.key()),
    }
    Ok(())
}

impl PostgresStore {
    /// Sets all damaged rows right, at `now`, in Unix seconds. `keep` hears of rows before they are changed,
    /// as they are. `look` hears how many rows were read. Each of the two may stop it.
    pub(in crate::store) async fn repair_rows(
        &self,
        now: u64,
        keep: &mut (dyn FnMut(&[String]) -> ControlFlow<()> + Send),
        look: &mut (dyn FnMut(u64) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<(), RowRepairs>, StoreError> {
        let (mut repairs, mut done) = (RowRepairs::default(), 0);
        for table in RowTable::ALL {
            let mut pages = RowPages::new(&self.database, table);
            // All of them at once: see `accounts`.
            let mut accounts = Vec::new();
            while let Some(page) = pages.next().await? {
                done += page.len() as u64;
                let damaged = damaged_rows(table, &page)?;
                if keep_all(&damaged, keep).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if table == RowTable::Accounts {
                    accounts.extend(damaged);
                } else {
                    repairs.add(self.database.repair(damaged, now).await?);
                }
                if look(done).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            repairs.add(self.database.repair(accounts, now).await?);
        }
        if let Some(head) = self.damaged_head().await? {
            if keep(&[head_line(&head)]).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            repairs.rows += 1;
        }
        if self.has_trail().await? {
            let repaired = EventDetails::new("store_repaired", now).with("rows", repairs.rows);
            let repaired = repaired.with("sessions_revoked", repairs.sessions_ended);
            let repaired = repaired.with("accounts_disabled", repairs.disabled.len());
            self.database.carry_out(&TrailRepair(repaired)).await?;
        }
        Ok(ControlFlow::Continue(repairs))
    }
}

fn damaged_rows(table: RowTable, page: &[Row]) -> Result<Vec<DamagedRow>, StepError> {
    let damaged = page.iter().filter(|row| table.record(row).is_err());
    damaged.map(|row| DamagedRow::read(table, row)).collect()
}

fn keep_all(
    rows: &[DamagedRow],
    keep: &mut (dyn FnMut(&[String]) -> ControlFlow<()> + Send),
) -> ControlFlow<()> {
    if rows.is_empty() {
        return ControlFlow::Continue(());
    }
    keep(&rows.iter().map(DamagedRow::line).collect::<Vec<_>>())
}

impl Database {
    async fn repair(&self, rows: Vec<DamagedRow>, now: u64) -> Result<RowRepairs, StoreError> {
        if rows.is_empty() {
            return Ok(RowRepairs::default());
        }
        self.carry_out(&RepairRows { rows, now }).await
    }
}
