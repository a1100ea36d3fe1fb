//! Keeps the settings of API keys in the store, for whoever makes keys without the server: the program
//! `jwtauth` has no settings of its own.
//!
//! # Invariants
//!
//! 1. What the server that has opened the store last says of API keys stands in the store, also that there
//!    are none (K-7). Nothing of it lets anybody in.
//! 2. It is written only when it changes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Sessions;
use crate::config::ApiKeyRules;
use crate::error::{SessionError, StoreError};
use crate::store::{NewValue, SessionStore, api_key_rules};

/// How long they are kept, in seconds: 100 years.
pub(super) const KEPT: u64 = 100 * 366 * 24 * 60 * 60;

/// The settings as they are written.
#[derive(Serialize, Deserialize)]
struct KeptRules {
    prefix: String,
    max_ttl: u64,
    max_keys: usize,
    login_age: u64,
}

impl KeptRules {
    fn of(rules: &ApiKeyRules) -> Self {
        Self {
            prefix: rules.prefix.clone(),
            max_ttl: rules.max_ttl.as_secs(),
            max_keys: rules.max_keys,
            login_age: rules.login_age.as_secs(),
        }
    }

    fn rules(self) -> ApiKeyRules {
        ApiKeyRules {
            prefix: self.prefix,
            max_ttl: Duration::from_secs(self.max_ttl),
            max_keys: self.max_keys,
            login_age: Duration::from_secs(self.login_age),
        }
    }
}

/// Returns the settings that the last server has had. `None` if it had no API keys, or none has said so yet.
pub(crate) async fn kept_api_key_rules(
    store: std::sync::Arc<dyn SessionStore>,
    now: u64,
) -> Result<Option<ApiKeyRules>, StoreError> {
    let Some(values) = store.value_store() else { return Ok(None) };
    let Some(bytes) = values.load_value(api_key_rules(), now).await? else { return Ok(None) };
    let kept: Option<KeptRules> = serde_json::from_slice(&bytes).map_err(|error| {
        StoreError::Backend(format!("the settings of API keys that it keeps cannot be read: {error}").into())
    })?;
    Ok(kept.map(KeptRules::rules))
}

impl Sessions {
    /// Keeps the settings of API keys, if other ones are kept.
    pub(super) async fn keep_api_key_rules(&self) -> Result<(), SessionError> {
        let Some(values) = std::sync::Arc::clone(&self.store).value_store() else { return Ok(()) };
        let now = self.clock.now();
        let kept = self.within(values.load_value(api_key_rules(), now)).await?;
        let ours = self.config.api_keys.as_ref().map(KeptRules::of);
        if kept.is_none() && ours.is_none() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&ours).expect("texts and numbers can be written as JSON");
        if kept.as_deref() != Some(&*bytes) {
            let value = NewValue::new(api_key_rules(), bytes, now, now.saturating_add(KEPT)).keeps_out();
            self.within(values.save_value(value)).await?;
        }
        Ok(())
    }
}
