//! What can be asked of a store, and what is answered. All times are Unix seconds.

use super::session_row::SessionRow;
use super::wiped::ShownApiKey;
#[cfg(feature = "accounts")]
use super::wiped::WipedPassword;
#[cfg(feature = "accounts")]
use crate::accounts::{Account, ImportedAccount};
use crate::events::{EventRecord, TrailHead, TrailMark};
#[cfg(feature = "accounts")]
use crate::id::AccountId;
use crate::id::SessionId;
use crate::store::Compaction;
use crate::store::RecordKind;
use crate::store::operate::{BackupSummary, CheckedTrail, ExportSummary, StoreStatus};
use serde::{Deserialize, Serialize};

/// What can be asked of a store.
///
/// A `user` is the id of an account, the subject of a session, or the name of an account: the first of these
/// that there is.
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum OperatorRequest {
    /// Takes a backup: see [`backup`](crate::store::operate::backup). To be asked with
    /// [`Operator::ask_into`](super::Operator::ask_into). Answered with [`OperatorAnswer::BackedUp`].
    Backup,
    /// Notes in the store when its last backup was taken, for whoever asks whether there is a new one: ask it
    /// when the backup is on disk, or at its other place. Answered with [`OperatorAnswer::Done`].
    NoteBackup {
        /// When it was taken: [`BackupSummary::taken_at`].
        taken_at: u64,
    },
    /// Exports all records: see [`export`](crate::store::operate::export). To be asked with
    /// [`Operator::ask_into`](super::Operator::ask_into). Answered with [`OperatorAnswer::Exported`].
    Export {
        /// With the hashes of passwords.
        hashes: bool,
    },
    /// Makes the files of the store as small as what is in it. Answered with [`OperatorAnswer::Compacted`].
    Compact,
    /// Counts the records of a kind that are damaged. Answered with [`OperatorAnswer::Unreadable`].
    CountUnreadable {
        /// The kind.
        kind: RecordKind,
    },
    /// Counts what is in the store. Answered with [`OperatorAnswer::Status`].
    Status,
    /// Lists sessions in the order of their ids, a page at a time. Answered with
    /// [`OperatorAnswer::Sessions`].
    ListSessions {
        /// Those of one user only.
        of: Option<String>,
        /// Those that are over, too.
        over: bool,
        /// Those of API keys only.
        only_api_keys: bool,
        /// Begins behind this one: what [`OperatorAnswer::Sessions`] calls `next`.
        after: Option<SessionId>,
    },
    /// Shows one session. Answered with [`OperatorAnswer::Session`]; refused if there is none.
    ShowSession {
        /// Its id.
        id: SessionId,
    },
    /// Makes an API key. Answered with [`OperatorAnswer::ApiKey`].
    ///
    /// It has no more than its owner: the roles of the account, or what the newest login of the user has.
    CreateApiKey {
        /// The user.
        owner: String,
        /// What the key is called.
        name: String,
        /// Its roles.
        roles: Vec<String>,
        /// Its scopes.
        scopes: Vec<String>,
        /// How long it is valid, in seconds. `None` is as long as a key may be.
        ttl: Option<u64>,
    },
    /// Lists the audit trail, a page at a time, the oldest event first. Answered with
    /// [`OperatorAnswer::Events`].
    ListEvents {
        /// Those about one user only.
        of: Option<String>,
        /// Those of this name only, such as `login_failed`.
        event: Option<String>,
        /// Begins behind the event with this number, or with the oldest one: 0.
        after: u64,
    },
    /// Checks the audit trail: see [`check_trail`](crate::store::operate::check_trail). Answered with
    /// [`OperatorAnswer::EventsChecked`].
    CheckEvents {
        /// The end of the trail as somebody has kept it elsewhere.
        mark: Option<TrailMark>,
    },
    /// Revokes these sessions. Refused if one of them is not there. Answered with
    /// [`OperatorAnswer::Revoked`].
    RevokeSessions {
        /// Their ids.
        ids: Vec<SessionId>,
    },
    /// Revokes all sessions of a user. Answered with [`OperatorAnswer::Revoked`].
    RevokeAllOf {
        /// The user.
        user: String,
    },
    /// Revokes the sessions of everybody. Answered with [`OperatorAnswer::Revoked`].
    RevokeAll,
    /// Lists accounts in the order of their names, a page at a time. Answered with
    /// [`OperatorAnswer::Accounts`].
    #[cfg(feature = "accounts")]
    ListAccounts {
        /// Begins behind this name: what [`OperatorAnswer::Accounts`] calls `next`.
        after: Option<String>,
    },
    /// Looks an account up. Answered with [`OperatorAnswer::Account`], or [`OperatorAnswer::NotFound`].
    #[cfg(feature = "accounts")]
    FindAccount {
        /// Its name, in any case.
        name: String,
    },
    /// Adds an account. Answered with [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    AddAccount {
        /// Its name.
        name: String,
        /// Its password.
        password: WipedPassword,
        /// Its roles.
        roles: Vec<String>,
    },
    /// Sets another password, and revokes the sessions of the account. Answered with
    /// [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    SetPassword {
        /// The account.
        id: AccountId,
        /// Its new password.
        password: WipedPassword,
    },
    /// Adds an account of another program, with its hash. Answered with [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    ImportAccount {
        /// The account.
        account: Box<ImportedAccount>,
    },
    /// Sets the roles of an account. Answered with [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    SetRoles {
        /// The account.
        id: AccountId,
        /// Its roles, in place of those that it has.
        roles: Vec<String>,
    },
    /// Disables an account, and revokes its sessions. Answered with [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    DisableAccount {
        /// The account.
        id: AccountId,
    },
    /// Enables an account. Answered with [`OperatorAnswer::Account`].
    #[cfg(feature = "accounts")]
    EnableAccount {
        /// The account.
        id: AccountId,
    },
    /// Removes an account for good, and revokes its sessions. Answered with [`OperatorAnswer::Done`].
    #[cfg(feature = "accounts")]
    RemoveAccount {
        /// The account.
        id: AccountId,
    },
}

impl OperatorRequest {
    /// Tells whether a file is sent before the answer.
    pub(super) const fn asks_for_file(&self) -> bool {
        matches!(self, Self::Backup | Self::Export { .. })
    }

    /// Tells whether it is given up when whoever has asked goes: long work that has changed nothing by then.
    pub(super) const fn stops_with_caller(&self) -> bool {
        matches!(self, Self::Compact)
    }
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum OperatorAnswer {
    /// A page of accounts.
    #[cfg(feature = "accounts")]
    Accounts {
        /// The accounts.
        rows: Vec<Account>,
        /// Where the next page begins; `None` if this is the last one.
        next: Option<String>,
    },
    /// An account, as it is now.
    #[cfg(feature = "accounts")]
    Account(Account),
    /// The new API key. Show it to its owner: it cannot be had again.
    ApiKey {
        /// Its session.
        row: SessionRow,
        /// The key itself.
        secret: ShownApiKey,
    },
    /// The backup is complete.
    BackedUp(BackupSummary),
    /// The export is complete.
    Exported(ExportSummary),
    /// The files of the store are smaller.
    Compacted(Compaction),
    /// A page of events.
    Events {
        /// The events.
        rows: Vec<EventRecord>,
        /// Where the next page begins; `None` if this is the last one.
        next: Option<u64>,
        /// Where the trail begins and ends. `None` if the store has none.
        head: Option<TrailHead>,
    },
    /// What was found of the audit trail.
    EventsChecked(CheckedTrail),
    /// It is done.
    Done,
    /// There is none.
    NotFound,
    /// Sessions were revoked.
    Revoked {
        /// How many: those that were not over before.
        count: u64,
    },
    /// One session.
    Session(SessionRow),
    /// A page of sessions.
    Sessions {
        /// The sessions.
        rows: Vec<SessionRow>,
        /// Where the next page begins; `None` if this is the last one.
        next: Option<SessionId>,
    },
    /// What is in the store.
    Status(OperatorStatus),
    /// Records are damaged, or none are.
    Unreadable {
        /// How many.
        count: u64,
    },
}

/// What is in a store, and who has it open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperatorStatus {
    /// What is in it.
    #[serde(flatten)]
    pub store: StoreStatus,
    /// The server that has it open and has answered. `None` if there is none.
    pub server: Option<ServerFacts>,
}

impl OperatorStatus {
    pub(super) const fn new(store: StoreStatus) -> Self {
        Self { store, server: None }
    }
}

/// The server that has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerFacts {
    /// The id of its process, as the server itself sees it. Another one outside of its container.
    pub pid: u32,
    /// For how long it has had the store open, in seconds.
    pub uptime: u64,
    /// Its release of this crate.
    pub version: String,
}

impl ServerFacts {
    #[cfg(unix)]
    pub(super) fn since(start: std::time::Instant) -> Self {
        let (pid, uptime) = (std::process::id(), start.elapsed().as_secs());
        Self { pid, uptime, version: env!("CARGO_PKG_VERSION").into() }
    }
}

#[cfg(all(test, feature = "accounts"))]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_and_never_shown() {
        let password = WipedPassword::new("through the \"looking\" glass".into());
        let request = OperatorRequest::AddAccount { name: "ann".into(), password, roles: Vec::new() };
        assert!(!format!("{request:?}").contains("looking"), "{request:?}");
        let sent = serde_json::to_string(&request).unwrap();
        match serde_json::from_str(&sent).unwrap() {
            OperatorRequest::AddAccount { password, .. } => {
                assert_eq!(password.expose(), "through the \"looking\" glass");
            }
            other => panic!("{other:?}"),
        }
    }
}
