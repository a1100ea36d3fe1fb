//! How the records of an export come into a store: each in one atomic step, some at the same time.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::account_store::StoredAccount;
use super::super::doubt::Doubt;
use super::super::own_values;
use super::super::requests::LoginEffects;
use super::super::rules;
use super::super::session_store::SessionStore;
use super::super::value_store::{NewValue, StoredValue, ValueKey};
use super::super::whole_store::StoreRecord;
use super::import_report::{ImportCounts, ImportOptions, SkipReason, SkippedRecord};
use super::walk::OperateError;
use crate::error::StoreError;
use crate::id::AccountId;
use crate::record::Session;

/// How many records are written at the same time, so that they share what waits for the disk.
const AT_ONCE: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ImportedKind {
    Account,
    Session,
    Other,
}

impl ImportedKind {
    pub(super) const fn of(record: &StoreRecord) -> Self {
        match record {
            StoreRecord::Account(_) => Self::Account,
            StoreRecord::Session(_) => Self::Session,
            _ => Self::Other,
        }
    }
}

/// What has become of a record.
struct Outcome {
    kind: ImportedKind,
    skipped: Option<SkippedRecord>,
    /// Whether it is an account that was added disabled.
    is_disabled: bool,
    /// What that means for the sessions of this subject.
    fate: Option<(String, AccountFate)>,
}

/// What has become of an account of the export.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AccountFate {
    /// It is here as it is in the export.
    Same,
    /// It has changed here or there, or it is disabled now.
    Changed,
    /// It is left out.
    LeftOut,
}

/// An import that goes on.
pub(super) struct Import {
    store: Arc<dyn SessionStore>,
    doubt: Doubt,
    fates: HashMap<String, AccountFate>,
    /// Whether the store had accounts before.
    had_accounts: bool,
    running: JoinSet<Result<Outcome, StoreError>>,
    pub(super) counts: ImportCounts,
}

impl Import {
    pub(super) async fn begin(
        store: &Arc<dyn SessionStore>,
        options: ImportOptions,
        now: u64,
    ) -> Result<Self, StoreError> {
        let had_accounts = has_accounts(store).await?;
        let doubt = Doubt {
            keep_sessions: options.keep_sessions,
            keep_accounts: options.keep_accounts || !had_accounts,
            now,
        };
        Ok(Self {
            store: Arc::clone(store),
            doubt,
            fates: HashMap::new(),
            had_accounts,
            running: JoinSet::new(),
            counts: ImportCounts::default(),
        })
    }

    /// Takes a record in. All accounts come before the first session.
    pub(super) async fn take(
        &mut self,
        line: u64,
        record: StoreRecord,
        skipped: &mut (dyn FnMut(SkippedRecord) + Send),
    ) -> Result<(), OperateError> {
        if self.running.len() >= AT_ONCE {
            self.join(skipped).await?;
        }
        let (kind, what) = (ImportedKind::of(&record), describe(&record));
        let (store, doubt) = (Arc::clone(&self.store), self.doubt);
        let skip = move |reason| SkippedRecord { line, what, reason };
        match record {
            StoreRecord::Account(account) => self.running.spawn(async move {
                let subject = account.id.to_string();
                let (reason, is_disabled, fate) = put_account(store, account, doubt).await?;
                Ok(Outcome { kind, skipped: reason.map(skip), is_disabled, fate: Some((subject, fate)) })
            }),
            StoreRecord::Session(session) => {
                let (known, had_accounts) = (self.fates.get(&session.subject).copied(), self.had_accounts);
                self.running.spawn(async move {
                    let fate = match known {
                        Some(fate) => fate,
                        None => without_line(&store, &session.subject, had_accounts).await?,
                    };
                    let keep_sessions = doubt.keep_sessions && fate == AccountFate::Same;
                    let doubt = Doubt { keep_sessions, ..doubt };
                    if fate == AccountFate::LeftOut {
                        return Ok(Outcome::of(kind, Some(skip(SkipReason::AccountLeftOut))));
                    }
                    Ok(Outcome::of(kind, put_session(&store, *session, doubt).await?.map(skip)))
                })
            }
            StoreRecord::Value { key, value } => self.running.spawn(async move {
                Ok(Outcome::of(kind, put_value(store, key, value, doubt).await?.map(skip)))
            }),
            // A trail says what has happened in its store.
            StoreRecord::Event(_) | StoreRecord::TrailHead(_) | StoreRecord::Token { .. } => {
                self.running.spawn(async move { Ok(Outcome::of(kind, Some(skip(SkipReason::NotImported)))) })
            }
        };
        Ok(())
    }

    /// Waits for all that was taken in.
    pub(super) async fn join_all(
        &mut self,
        skipped: &mut (dyn FnMut(SkippedRecord) + Send),
    ) -> Result<(), OperateError> {
        while !self.running.is_empty() {
            self.join(skipped).await?;
        }
        Ok(())
    }

    async fn join(&mut self, skipped: &mut (dyn FnMut(SkippedRecord) + Send)) -> Result<(), OperateError> {
        let Some(done) = self.running.join_next().await else { return Ok(()) };
        let done = done.unwrap_or(Err(StoreError::Closed))?;
        self.fates.extend(done.fate);
        let counts = &mut self.counts;
        counts.accounts_disabled += u64::from(done.is_disabled);
        match (done.skipped, done.kind) {
            (Some(record), _) => {
                counts.skipped += 1;
                skipped(record);
            }
            (None, ImportedKind::Account) => counts.accounts += 1,
            (None, ImportedKind::Session) => counts.sessions += 1,
            (None, ImportedKind::Other) => counts.values += 1,
        }
        Ok(())
    }
}

impl Outcome {
    const fn of(kind: ImportedKind, skipped: Option<SkippedRecord>) -> Self {
        Self { kind, skipped, is_disabled: false, fate: None }
    }
}

fn describe(record: &StoreRecord) -> String {
    match record {
        StoreRecord::Account(account) => format!("account {:?}", account.name),
        StoreRecord::Session(session) => format!("session {}", session.id),
        StoreRecord::Event(event) => format!("event {}", event.number),
        StoreRecord::TrailHead(_) => "head of the audit trail".into(),
        StoreRecord::Token { .. } => "record of a token".into(),
        StoreRecord::Value { .. } => "value".into(),
    }
}

async fn has_accounts(store: &Arc<dyn SessionStore>) -> Result<bool, StoreError> {
    let Some(accounts) = Arc::clone(store).account_store() else { return Ok(false) };
    Ok(!accounts.accounts(None, 1).await?.is_empty())
}

/// Says what has become of an account that the export has sessions of, and no line. Nobody knows what it was
/// like there.
async fn without_line(
    store: &Arc<dyn SessionStore>,
    subject: &str,
    had_accounts: bool,
) -> Result<AccountFate, StoreError> {
    let Some(accounts) = Arc::clone(store).account_store() else { return Ok(AccountFate::Same) };
    // Any other text is the application's own.
    let Ok(id) = subject.parse::<AccountId>() else { return Ok(AccountFate::Same) };
    let may_be_removed = had_accounts || accounts.account(id).await?.is_some();
    Ok(if may_be_removed { AccountFate::Changed } else { AccountFate::Same })
}

/// Adds an account, unless there is a reason not to. Returns that reason, whether the account was added
/// disabled though it was active, and what becomes of its sessions.
async fn put_account(
    store: Arc<dyn SessionStore>,
    mut account: StoredAccount,
    doubt: Doubt,
) -> Result<(Option<SkipReason>, bool, AccountFate), StoreError> {
    let Some(accounts) = store.account_store() else {
        return Ok((Some(SkipReason::NotKept), false, AccountFate::LeftOut));
    };
    if let Some(here) = accounts.account(account.id).await? {
        return Ok((Some(SkipReason::IsHere), false, compared(&here, &account)));
    }
    let before = account.clone();
    let is_disabled = doubt.settle_account(&mut account);
    if accounts.create_account(account).await? {
        let fate = if is_disabled { AccountFate::Changed } else { AccountFate::Same };
        return Ok((None, is_disabled, fate));
    }
    // Somebody may have added it meanwhile.
    Ok(match accounts.account(before.id).await? {
        Some(here) => (Some(SkipReason::IsHere), false, compared(&here, &before)),
        None => (Some(SkipReason::NameTaken), false, AccountFate::LeftOut),
    })
}

/// Whether a session that is good there is good here. The number of changes alone does not say it: after a
/// restore both may have gone on from the same one.
fn compared(here: &StoredAccount, there: &StoredAccount) -> AccountFate {
    let is_same = here.revision == there.revision
        && here.active == there.active
        && here.hash == there.hash
        && here.password_changed_at == there.password_changed_at
        && here.roles == there.roles;
    if is_same { AccountFate::Same } else { AccountFate::Changed }
}

async fn put_session(
    store: &Arc<dyn SessionStore>,
    mut session: Session,
    doubt: Doubt,
) -> Result<Option<SkipReason>, StoreError> {
    if let Some(here) = store.load(session.id).await? {
        let is_live = here.is_live_at(doubt.now);
        return Ok(Some(if is_live { SkipReason::IsHere } else { SkipReason::IsOverHere }));
    }
    if rules::has_expired(&session, doubt.now) {
        return Ok(Some(SkipReason::Expired));
    }
    doubt.settle_session(&mut session);
    store.insert(session, LoginEffects::default()).await?;
    Ok(None)
}

async fn put_value(
    store: Arc<dyn SessionStore>,
    key: ValueKey,
    value: StoredValue,
    doubt: Doubt,
) -> Result<Option<SkipReason>, StoreError> {
    if own_values::is_own(key) {
        return Ok(Some(SkipReason::NotImported));
    }
    let now = doubt.now;
    let expired = rules::value_has_expired(&value, now);
    if !doubt.keeps_value(&value) {
        return Ok(Some(SkipReason::LetsIn));
    }
    let Some(bytes) = value.bytes else { return Ok(Some(SkipReason::NotImported)) };
    if expired {
        return Ok(Some(SkipReason::Expired));
    }
    let Some(values) = store.value_store() else { return Ok(Some(SkipReason::NotKept)) };
    if values.load_value(key, now).await?.is_some() {
        return Ok(Some(SkipReason::IsHere));
    }
    let new = NewValue { value_use: value.value_use, ..NewValue::new(key, bytes, now, value.expires_at) };
    Ok(if values.save_value(new).await? { None } else { Some(SkipReason::IsOverHere) })
}
