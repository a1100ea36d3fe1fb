//! Keeps the scopes of roles in the store, for whoever changes accounts without the server: the program
//! `jwtauth` has no settings of its own, and would take the scopes from the sessions of whom it changes.
//!
//! # Invariants
//!
//! 1. What the server that has opened the store last says of them stands in the store.
//! 2. It is written only when it changes.

use std::sync::Arc;

use super::Sessions;
use super::kept_api_key_rules::KEPT;
use crate::config::RoleScopes;
use crate::error::{SessionError, StoreError};
use crate::store::{NewValue, SessionStore, role_scopes};

/// Returns the scopes that the last server has had. None, if none has said so yet.
pub(crate) async fn kept_role_scopes(
    store: Arc<dyn SessionStore>,
    now: u64,
) -> Result<RoleScopes, StoreError> {
    let Some(values) = store.value_store() else { return Ok(RoleScopes::default()) };
    let Some(bytes) = values.load_value(role_scopes(), now).await? else { return Ok(RoleScopes::default()) };
    serde_json::from_slice(&bytes).map_err(|error| {
        StoreError::Backend(format!("the scopes of roles that it keeps cannot be read: {error}").into())
    })
}

impl Sessions {
    /// Keeps the scopes of roles, if there are accounts, and other ones are kept.
    pub(super) async fn keep_role_scopes(&self) -> Result<(), SessionError> {
        let Some(ours) = &self.config.role_scopes else { return Ok(()) };
        let Some(values) = Arc::clone(&self.store).value_store() else { return Ok(()) };
        let now = self.clock.now();
        let kept = self.within(values.load_value(role_scopes(), now)).await?;
        if kept.is_none() && **ours == RoleScopes::default() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&**ours).expect("texts can be written as JSON");
        if kept.as_deref() != Some(&*bytes) {
            let value = NewValue::new(role_scopes(), bytes, now, now.saturating_add(KEPT)).keeps_out();
            self.within(values.save_value(value)).await?;
        }
        Ok(())
    }
}
