//! What happens to sessions and accounts, for the log, the metrics and the hooks of the application.
//!
//! Each event is one value, made where it happens. `session::reporter` passes it to all three.
//!
//! # Invariants
//!
//! 1. Metrics have the name of an event as their label and nothing else. Other values have no bound.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::device::Device;
use crate::id::AccountId;
use crate::id::{SessionId, TokenId};
use crate::record::{RevocationReason, Session};

/// Something that happened to a session or an account. It is on disk by then.
///
/// With the feature `metrics`, each event is counted once, when it happens:
///
/// | metric | kind | unit | label |
/// |---|---|---|---|
/// | `jwtauth_events_total` | counter | events | `event`: the [name](Self::name), which stands first with each variant |
///
/// Counters start at 0 with the process. A name is in no metric before its event has happened once. The
/// application chooses the recorder of [`metrics`](https://docs.rs/metrics) 0.24.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// `account_disabled`: an account was disabled, and all its sessions revoked.
    AccountDisabled {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
    },
    /// `account_enabled`: a disabled account was enabled again.
    AccountEnabled {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
    },
    /// `account_registered`: an account was added, by a visitor or by the application.
    AccountRegistered {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
        /// Its name, as it was registered.
        name: String,
    },
    /// `account_removed`: an account was removed for good, and all its sessions revoked.
    AccountRemoved {
        /// The account. No other one will have this id.
        account: AccountId,
    },
    /// `all_revoked`: all sessions of a subject were revoked, or all but one and API keys.
    AllRevoked {
        /// The subject.
        subject: String,
        /// The one session that was kept, if any.
        except: Option<SessionId>,
        /// How many were revoked.
        count: usize,
        /// Why.
        reason: RevocationReason,
    },
    /// `api_key_created`: an API key was made. Its end is that of a session: `session_revoked`, `all_revoked`
    /// or `session_expired`.
    ///
    /// Tell its owner: whoever had their password may have made it.
    ApiKeyCreated {
        /// The session of the key.
        session: Arc<Session>,
        /// The login that made it. `None` if an operator or the application did.
        login: Option<SessionId>,
        /// The address of the client that asked for it, if that is known.
        client_address: Option<IpAddr>,
    },
    /// `clock_jumped_ahead`: when a sweep began, the clock had gone on by more than the process has run since
    /// the last one.
    ///
    /// The sweep removes nothing, and the next one what has expired by then. In a store of one process the
    /// time does not go back: what ends before the new time has expired for good, also if the clock is put
    /// right.
    /// A program that starts again after more than an hour has this event too.
    ClockJumpedAhead {
        /// By how much, in whole seconds. More than an hour.
        by: Duration,
    },
    /// `clock_set_back`: the clock was set back. New tokens are by the new time, and what has expired stays
    /// expired.
    ClockSetBack {
        /// By how much, in whole seconds. More than a minute.
        by: Duration,
    },
    /// `device_changed`: a session goes on, but the client describes itself differently than at the login.
    ///
    /// Reported once for each change, and again after a restart. See [`Device`] for what counts as a change.
    DeviceChanged {
        /// The session, with the device that logged in.
        session: Arc<Session>,
        /// The device now.
        device: Device,
    },
    /// `exchanged`: a session was opened for a refresh token of another service ([`Compat`](crate::Compat)),
    /// in place of a login.
    Exchanged {
        /// The session.
        session: Arc<Session>,
    },
    /// `login`: a session was opened.
    Login {
        /// The session.
        session: Arc<Session>,
        /// How many sessions of the same browser it replaced.
        replaced: usize,
    },
    /// `login_failed`: a login was refused. The event does not have the password.
    LoginFailed {
        /// The name that was typed. It may be anything, even a password: never log it.
        username: String,
        /// The address of the client.
        client_address: Option<IpAddr>,
    },
    /// `password_changed`: an account has a new password. Its sessions were revoked, or all but the one that
    /// asked for it.
    PasswordChanged {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
    },
    /// `password_set`: an account was given a new password without being asked for the old one. All its
    /// sessions were revoked.
    PasswordSet {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
    },
    /// `refresh`: a refresh token was spent, and its successor issued.
    Refresh {
        /// The session after that.
        session: Arc<Session>,
    },
    /// `repeated_elsewhere`: a spent refresh token was presented by a client with another `User-Agent` or
    /// another address than the one that spent it, while its answer was still repeated.
    ///
    /// It may be a phone that has changed its network and lost an answer. It may also be somebody who has a
    /// copy.
    RepeatedElsewhere {
        /// The session. Its [`last_address`](Session::last_address) is that of the client that spent the
        /// token.
        session: Arc<Session>,
        /// The address of the client that presented the token now.
        client_address: Option<IpAddr>,
        /// Whether the answer was refused
        /// ([`refuse_repeats_elsewhere`](crate::TokenConfig::refuse_repeats_elsewhere)).
        refused: bool,
    },
    /// `reuse_detected`: a spent refresh token came back. Two parties had it, so its session was revoked.
    ReuseDetected {
        /// The session, revoked.
        session: Arc<Session>,
    },
    /// `roles_set`: an account has other roles.
    RolesSet {
        /// The account. Its text is the subject of its sessions.
        account: AccountId,
        /// Its roles now.
        roles: Vec<String>,
    },
    /// `session_expired`: a session expired, and nobody had revoked it.
    ///
    /// A session that was revoked has no such event, even if it had expired before that: each session has one
    /// end.
    ///
    /// The sweep that removes the session reports it, so up to
    /// [`sweep_interval`](crate::StorageConfig::sweep_interval) later. It is reported at most once. There is
    /// no event in these cases:
    /// - The process ends, or the store fails, after the removal.
    /// - A login removed the session before the sweep, because its subject had many that were over
    ///   ([`max_sessions`](crate::JwtAuthBuilder::max_sessions)).
    /// - The record was damaged.
    SessionExpired {
        /// The session, as it was. It is no longer in the store.
        session: Arc<Session>,
    },
    /// `session_revoked`: one session was revoked.
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// Why.
        reason: RevocationReason,
    },
    /// `store_copied`: an operator takes a copy of everything, by a backup or an export.
    ///
    /// It happens before the first byte is handed out, so that a copy which was cut short is known too.
    StoreCopied {
        /// Which copy.
        copy: CopyKind,
    },
    /// `store_behind`: a refresh token was newer than its record: the store has lost a write.
    StoreBehind {
        /// The session, after its record was brought up to date.
        session: Arc<Session>,
    },
    /// `token_revoked`: one token was revoked, and not its session.
    TokenRevoked {
        /// Its session. For a token of another service ([`Compat`](crate::Compat)): the id that its
        /// [`Identity::session_id`](crate::Identity::session_id) has, which names no session.
        session: SessionId,
        /// The token.
        token: TokenId,
    },
}

/// A copy of everything in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyKind {
    /// A backup. It has the hashes of passwords.
    Backup,
    /// An export.
    Export {
        /// With the hashes of passwords.
        hashes: bool,
    },
}

impl Event {
    /// Returns the name of the event in logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AccountDisabled { .. } => "account_disabled",
            Self::AccountEnabled { .. } => "account_enabled",
            Self::AccountRegistered { .. } => "account_registered",
            Self::AccountRemoved { .. } => "account_removed",
            Self::AllRevoked { .. } => "all_revoked",
            Self::ApiKeyCreated { .. } => "api_key_created",
            Self::ClockJumpedAhead { .. } => "clock_jumped_ahead",
            Self::ClockSetBack { .. } => "clock_set_back",
            Self::DeviceChanged { .. } => "device_changed",
            Self::Exchanged { .. } => "exchanged",
            Self::Login { .. } => "login",
            Self::LoginFailed { .. } => "login_failed",
            Self::PasswordChanged { .. } => "password_changed",
            Self::PasswordSet { .. } => "password_set",
            Self::Refresh { .. } => "refresh",
            Self::RepeatedElsewhere { .. } => "repeated_elsewhere",
            Self::ReuseDetected { .. } => "reuse_detected",
            Self::RolesSet { .. } => "roles_set",
            Self::SessionExpired { .. } => "session_expired",
            Self::SessionRevoked { .. } => "session_revoked",
            Self::StoreBehind { .. } => "store_behind",
            Self::StoreCopied { .. } => "store_copied",
            Self::TokenRevoked { .. } => "token_revoked",
        }
    }

    /// Writes it to the log, without names and with ids that are only good in logs.
    pub(crate) fn log(&self) {
        let event = self.name();
        match self {
            Self::AccountDisabled { account }
            | Self::AccountEnabled { account }
            | Self::AccountRegistered { account, .. }
            | Self::AccountRemoved { account }
            | Self::PasswordChanged { account }
            | Self::PasswordSet { account }
            | Self::RolesSet { account, .. } => {
                tracing::info!(target: "jwtauth", event, account = account.log_id());
            }
            Self::ApiKeyCreated { session, login, client_address: _ } => {
                let login = login.map(|login| login.log_id());
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), login);
            }
            Self::ClockJumpedAhead { by } => {
                tracing::warn!(target: "jwtauth", event, ?by, "the clock has jumped ahead: this sweep removes nothing, and the next one what has expired");
            }
            Self::ClockSetBack { by } => {
                tracing::warn!(target: "jwtauth", event, ?by, "the clock was set back: it is followed, and what has expired stays expired");
            }
            Self::DeviceChanged { session, device } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), from = %session.device, to = %device, "a session goes on from another device");
            }
            Self::Exchanged { session } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), "a refresh token of another service was exchanged for a session");
            }
            Self::Login { session, replaced } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), replaced);
            }
            // Logged with the answer: see `web::request::pending_answer`.
            Self::LoginFailed { .. } => {}
            Self::Refresh { session } => {
                tracing::debug!(target: "jwtauth", event, session = session.id.log_id());
            }
            Self::RepeatedElsewhere { session, client_address, refused } => {
                let from = client_address.map(tracing::field::display);
                tracing::warn!(target: "jwtauth", event, session = session.id.log_id(), from, refused, "a spent refresh token came from another device or address than the one that spent it");
            }
            Self::ReuseDetected { session } => {
                tracing::warn!(target: "jwtauth", event, session = session.id.log_id(), "a spent refresh token came back; its session is revoked");
            }
            Self::SessionRevoked { session, reason } => {
                tracing::info!(target: "jwtauth", event, session = session.log_id(), ?reason);
            }
            Self::AllRevoked { count, reason, .. } => {
                tracing::info!(target: "jwtauth", event, revoked = count, ?reason);
            }
            Self::SessionExpired { session } => {
                tracing::debug!(target: "jwtauth", event, session = session.id.log_id());
            }
            Self::StoreBehind { session } => {
                tracing::warn!(target: "jwtauth", event, session = session.id.log_id(), "a refresh token is newer than its record: the store has lost a write");
            }
            Self::StoreCopied { copy } => {
                tracing::info!(target: "jwtauth", event, ?copy, "somebody takes a copy of the store");
            }
            Self::TokenRevoked { session, .. } => {
                tracing::info!(target: "jwtauth", event, session = session.log_id());
            }
        }
    }
}
