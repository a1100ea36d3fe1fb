//! What the server is set to, asked once at the start: it must not lose what it has acknowledged.

use std::sync::Arc;

use super::connections::{Connections, Request};
use super::postgres_config::{PostgresConfig, SynchronousCommit};
use super::statements::SqlStatement;
use crate::error::{PostgresError, StoreError};

/// What transactions may set.
pub(super) struct ServerSettings {
    /// When commits are to count as done. `None` where the server knows no such setting.
    pub(super) synchronous_commit: Option<SynchronousCommit>,
    pub(super) ends_idle_transactions: bool,
    /// Whether it can say that it hides rows.
    pub(super) knows_hidden_rows: bool,
}

/// Refuses a server that loses what it has acknowledged. Returns which settings it knows.
pub(super) async fn server_settings(
    connections: &Arc<Connections>,
    config: &PostgresConfig,
) -> Result<ServerSettings, StoreError> {
    let asked = SqlStatement {
        sql: "SELECT current_setting('fsync', true), current_setting('synchronous_commit', true),
              current_setting('idle_in_transaction_session_timeout', true),
              (SELECT max(proname::text) FROM pg_catalog.pg_proc WHERE proname = 'row_security_active')"
            .into(),
        types: Vec::new(),
    };
    let rows = connections.ask(&[Request::Statement(&asked, Vec::new())], config.timeout).await?;
    let row = rows.first().and_then(|rows| rows.first());
    let setting = |column| row.and_then(|row| row.try_get::<_, Option<String>>(column).ok().flatten());
    let remedy = |setting, remedy| Err(PostgresError::Durability { setting, remedy }.into());
    if setting(0).as_deref() == Some("off") && !config.allow_fsync_off && !config.is_lenient {
        return remedy(
            "fsync",
            "turn it on. Where its storage is elsewhere, or nothing matters, say `allow_fsync_off()`, or `--allow-fsync-off` to the program `jwtauth`",
        );
    }
    let of_server = setting(1).as_deref().and_then(SynchronousCommit::named);
    let of_server = match of_server {
        Some(SynchronousCommit::Off) if config.is_lenient => Some(SynchronousCommit::On),
        other => other,
    };
    if of_server == Some(SynchronousCommit::Off) && config.synchronous_commit.is_none() {
        return remedy(
            "synchronous_commit",
            "turn it on, or say what this store wants with `synchronous_commit(SynchronousCommit::On)`",
        );
    }
    Ok(ServerSettings {
        synchronous_commit: of_server.and(config.synchronous_commit.or(of_server)),
        ends_idle_transactions: setting(2).is_some(),
        knows_hidden_rows: setting(3).is_some(),
    })
}
