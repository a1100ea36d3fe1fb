//! What happens to sessions, for those who want to hear of it: the log, metrics, hooks of the application.
//!
//! One value for one happening, made where it happens and told to all three in one place
//! (`session::hooks`).
//!
//! # Invariants
//!
//! 1. Metrics have the name of an event for a label and nothing else: no subject, address or id, of which there is
//!    no end.

use std::net::IpAddr;
use std::sync::Arc;

use crate::device::Device;
use crate::id::{SessionId, TokenId};
use crate::record::{RevocationReason, Session};

/// Something that happened to a session, or nearly did. It is on disk by then.
///
/// With the feature `metrics` each is counted, once, when it happens:
///
/// | metric | kind | unit | label |
/// |---|---|---|---|
/// | `jwtauth_events_total` | counter | events | `event`: the [name](Self::name), which stands first with each variant |
///
/// Counters start at 0 with the process, and the name of an event is in no metric before it happened once. The recorder, of
/// [`metrics`](https://docs.rs/metrics) 0.24, is the application's own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// `all_revoked`: all sessions of a subject were revoked, or all but one.
    AllRevoked {
        /// The subject.
        subject: String,
        /// The one that goes on, if there is one.
        except: Option<SessionId>,
        /// How many there were.
        count: usize,
        /// Why.
        reason: RevocationReason,
    },
    /// `device_changed`: a session goes on from a client that says to be something else than the one that logged in.
    ///
    /// Told once for each change, and again after a restart: see [`Device`] for what counts as one.
    DeviceChanged {
        /// The session, with the device that logged in.
        session: Arc<Session>,
        /// The device now.
        device: Device,
    },
    /// `exchanged`: a session was opened for a refresh token of another service ([`Compat`](crate::Compat)), in the place
    /// of a login.
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
    /// `login_failed`: somebody was refused. The password is not part of it.
    LoginFailed {
        /// The name that was typed, which may be anything, a password too: never log it.
        username: String,
        /// The address it came from.
        client_address: Option<IpAddr>,
    },
    /// `refresh`: a refresh token was spent, and its successor issued.
    Refresh {
        /// The session after that.
        session: Arc<Session>,
    },
    /// `reuse_detected`: a spent refresh token came back, and its session was revoked: two parties had it.
    ReuseDetected {
        /// The session, revoked.
        session: Arc<Session>,
    },
    /// `session_expired`: a session was live until its time ran out, and was not ended by anybody.
    ///
    /// Not told of one that was revoked, also if its time had run out by then, as when its browser has logged in again:
    /// each session has one end.
    ///
    /// Told by the sweep that removes it, so up to [`sweep_interval`](crate::JwtAuthBuilder::sweep_interval) later, and at
    /// most once: not if the process ends, or the store fails, between the removal and this; nor if a login had the
    /// session forgotten before the sweep came, because its subject had many that were over
    /// ([`max_sessions`](crate::JwtAuthBuilder::max_sessions)); nor if its record was damaged.
    SessionExpired {
        /// The session, as it was; it is not in the store any more.
        session: Arc<Session>,
    },
    /// `session_revoked`: one session was revoked.
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// Why.
        reason: RevocationReason,
    },
    /// `store_behind`: a refresh token was newer than its record, so the store has lost a write.
    StoreBehind {
        /// The session, which has caught up.
        session: Arc<Session>,
    },
    /// `token_revoked`: one token was revoked alone.
    TokenRevoked {
        /// Its session. Of a token that another service has issued ([`Compat`](crate::Compat)), the id that its
        /// [`Identity::session_id`](crate::Identity::session_id) has, which names no session.
        session: SessionId,
        /// The token.
        token: TokenId,
    },
}

impl Event {
    /// Returns the name that logs and metrics have for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AllRevoked { .. } => "all_revoked",
            Self::DeviceChanged { .. } => "device_changed",
            Self::Exchanged { .. } => "exchanged",
            Self::Login { .. } => "login",
            Self::LoginFailed { .. } => "login_failed",
            Self::Refresh { .. } => "refresh",
            Self::ReuseDetected { .. } => "reuse_detected",
            Self::SessionExpired { .. } => "session_expired",
            Self::SessionRevoked { .. } => "session_revoked",
            Self::StoreBehind { .. } => "store_behind",
            Self::TokenRevoked { .. } => "token_revoked",
        }
    }

    /// Writes it to the log, with ids that name a session in logs only, and no names.
    pub(crate) fn log(&self) {
        let event = self.name();
        match self {
            Self::DeviceChanged { session, device } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), from = %session.device, to = %device, "a session goes on from another device");
            }
            Self::Exchanged { session } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), "a refresh token of another service was exchanged for a session");
            }
            Self::Login { session, replaced } => {
                tracing::info!(target: "jwtauth", event, session = session.id.log_id(), replaced);
            }
            // Logged with the answer, which says so whoever gives it: see `web::answer::rejection`.
            Self::LoginFailed { .. } => {}
            Self::Refresh { session } => {
                tracing::debug!(target: "jwtauth", event, session = session.id.log_id());
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
            Self::TokenRevoked { session, .. } => {
                tracing::info!(target: "jwtauth", event, session = session.log_id());
            }
        }
    }
}
