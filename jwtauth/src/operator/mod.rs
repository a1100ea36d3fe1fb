//! Operating a store while its server runs: one list of requests, one function that carries them out, and
//! a socket between the program `jwtauth` and the server.
//!
//! [`Operator::ask`] is the one way. It carries an [`OperatorRequest`] out here, on a store that this process
//! has open ([`JwtAuth::operator`](crate::JwtAuth::operator)), or sends it to the server that has the store
//! open ([`Operator::connect`]). Both end in the same function, so both do the same. In a server it works on
//! the server's own [`Sessions`] and accounts: its settings count, hooks hear of events, and the next request
//! sees what was done.
//!
//! | file | is about |
//! |---|---|
//! | `messages.rs`, `session_row.rs`, `wiped.rs` | what can be asked, and the answers |
//! | `carry_out.rs`, `account_requests.rs`, `api_key_requests.rs` | what is done |
//! | `wire.rs` | how both travel: frames of bounded length, with a version |
//! | `place.rs` | the socket in the directory of the store |
//! | `listener.rs`, `part_sink.rs` | the end in the server |
//! | `caller.rs` | the end in the program |
//!
//! One connection carries one request and its answer, so nobody holds one while a person thinks. While a
//! request is being carried out, the server sends a sign of life each second. So the program knows a server
//! that hangs from one that works.
//!
//! A file that is asked for, such as a backup, is sent in parts before the answer ([`Operator::ask_into`]). A
//! thread of its own writes it, because it waits for the program.
//!
//! # Invariants
//!
//! 1. Only the user whom the server runs as, and root, are served: the system tells who has connected (O-1).
//! 2. The number of connections, the length of a frame and the time of each step are bounded (O-3).
//! 3. A fault of the socket is never one of the server: it is told in the log, and the server goes on (O-4).
//! 4. The socket keeps no store open. It is gone before the store is closed (O-5).
//! 5. A password appears in no log and no message, and its bytes are wiped.

#[cfg(feature = "accounts")]
mod account_requests;
mod api_key_requests;
#[cfg(unix)]
mod caller;
mod carry_out;
#[cfg(unix)]
mod listener;
mod messages;
#[cfg(unix)]
mod part_sink;
#[cfg(unix)]
mod place;
mod session_row;
mod wiped;
#[cfg(unix)]
mod wire;

use std::fmt;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(unix)]
pub(crate) use self::listener::OperatorSocket;
pub use self::messages::OperatorRequest;
pub use self::messages::{OperatorAnswer, OperatorStatus, ServerFacts};
pub use self::session_row::SessionRow;
pub use self::wiped::ShownApiKey;
#[cfg(feature = "accounts")]
pub use self::wiped::WipedPassword;
#[cfg(feature = "accounts")]
use crate::accounts::Accounts;
use crate::error::in_one_line;
use crate::session::Sessions;
use crate::store::operate::Progress;

/// Why a request was not carried out, or its answer did not come.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The store failed, or the connection to the server did. A change may have happened or not.
    #[error("{0}")]
    Failed(String),
    /// The server does not answer in time. A change may happen later.
    #[error(
        "the server that has the store open does not answer within {after:?}: look into its log. If it hangs, stop it, and do this again"
    )]
    NoAnswer {
        /// The time limit.
        after: Duration,
    },
    /// It is refused, and nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Whoever asked has stopped it, and nothing was changed.
    #[error("it was stopped")]
    Stopped,
}

impl OperatorError {
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::Refused(what.into())
    }

    /// With all causes in one line.
    fn failed(what: &str, error: &dyn std::error::Error) -> Self {
        Self::Failed(format!("{what}: {}", in_one_line(error)))
    }

    fn of_store(error: impl std::error::Error) -> Self {
        Self::failed("the store failed", &error)
    }
}

/// What requests work on.
pub(crate) struct OperatorTarget {
    pub(crate) sessions: Arc<Sessions>,
    #[cfg(feature = "accounts")]
    pub(crate) accounts: Option<Accounts>,
}

/// Sends requests to a store, wherever it is open.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use jwtauth::operator::{OperatorRequest, OperatorAnswer, Operator};
///
/// // In a program beside the server, as the same user.
/// if let Some(server) = Operator::connect("/var/lib/shop/store").await? {
///     let ask = OperatorRequest::RevokeAllOf { user: "alice".into() };
///     if let OperatorAnswer::Revoked { count } = server.ask(ask).await? {
///         println!("{count} sessions revoked");
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Operator(Way);

enum Way {
    Here(Arc<OperatorTarget>),
    #[cfg(unix)]
    Socket(PathBuf),
}

impl Operator {
    pub(crate) const fn here(target: Arc<OperatorTarget>) -> Self {
        Self(Way::Here(target))
    }

    /// Returns an operator that asks the server which has the store in this directory open. `None` if there
    /// is no server, or it offers no socket.
    ///
    /// # Errors
    ///
    /// - [`OperatorError::Refused`] if this user may not speak to the server.
    /// - [`OperatorError::NoAnswer`] if too many programs wait for it already.
    /// - [`OperatorError::Failed`] if the system fails.
    #[cfg_attr(not(unix), expect(clippy::unused_async, reason = "nobody listens on this system"))]
    pub async fn connect(store: impl AsRef<Path>) -> Result<Option<Self>, OperatorError> {
        #[cfg(unix)]
        {
            let socket = store.as_ref().join(crate::store::SOCKET);
            Ok(caller::is_served(&socket).await?.then_some(Self(Way::Socket(socket))))
        }
        #[cfg(not(unix))]
        {
            let _ = store;
            Ok(None)
        }
    }

    /// Tells whether a server is asked, in another process or in this one.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        !matches!(self.0, Way::Here(_))
    }

    /// Carries a request out. A change is on disk when this returns.
    ///
    /// # Errors
    ///
    /// - [`OperatorError::Refused`] if what it names is not there or not allowed. Nothing was changed.
    /// - [`OperatorError::NoAnswer`] if the server does not answer.
    /// - [`OperatorError::Failed`] if the store failed, or the connection.
    pub async fn ask(&self, request: OperatorRequest) -> Result<OperatorAnswer, OperatorError> {
        match &self.0 {
            Way::Here(target) => target.carry_out(request).await,
            #[cfg(unix)]
            Way::Socket(path) => caller::ask(path, &request, &mut caller::no_file).await,
        }
    }
}

impl Operator {
    /// Carries out a request that is answered with a file, such as [`OperatorRequest::Backup`], and writes
    /// that into `sink`. Any other request is carried out as [`ask`](Self::ask) does.
    ///
    /// Writing blocks the task, so call this on a thread that may wait for a disk. `progress` is called from
    /// time to time, and may stop it. What is in `sink` is worth nothing unless the answer has come.
    ///
    /// # Errors
    ///
    /// Those of [`ask`](Self::ask); [`OperatorError::Failed`] too if `sink` failed, and
    /// [`OperatorError::Stopped`] if `progress` said so.
    pub async fn ask_into(
        &self,
        request: OperatorRequest,
        sink: &mut (dyn Write + Send),
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Send + Sync),
    ) -> Result<OperatorAnswer, OperatorError> {
        match &self.0 {
            Way::Here(target) => target.carry_out_into(request, sink, progress).await,
            #[cfg(unix)]
            Way::Socket(path) => {
                let mut sent = Progress::default();
                let mut take = |piece: caller::Piece<'_>| {
                    match piece {
                        caller::Piece::Part(part) => {
                            sent.bytes += part.len() as u64;
                            sink.write_all(part).map_err(|error| {
                                OperatorError::failed("the file cannot be written", &error)
                            })?;
                        }
                        caller::Piece::Sent(records) => (sent.done, sent.of) = (records.done, records.of),
                        caller::Piece::Alive => {}
                    }
                    match progress(sent) {
                        ControlFlow::Continue(()) => Ok(()),
                        ControlFlow::Break(()) => Err(OperatorError::Stopped),
                    }
                };
                caller::ask(path, &request, &mut take).await
            }
        }
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("is_remote", &self.is_remote()).finish_non_exhaustive()
    }
}
