//! Notices servers of one store that have different secrets. Each refuses the tokens of the other, so whoever
//! is logged in is thrown out by the next request that meets the other one.
//!
//! # Invariants
//!
//! 1. The server that has started last on a store of several processes leaves a mark there: a signature of a
//!    fixed text, by the key of its refresh tokens. Nothing of it lets anybody in: the text is no token.
//! 2. A mark that one of the keys here has made is no difference, so secrets can be rotated.
//! 3. A difference is told once for each mark, and changes nothing else.

use std::sync::Arc;

use super::Sessions;
use super::kept_api_key_rules::KEPT;
use crate::error::SessionError;
use crate::store::{NewValue, secret_mark};

impl Sessions {
    /// Looks at the mark of the server that has started last, and leaves its own.
    pub(super) async fn keep_secret_mark(&self) -> Result<(), SessionError> {
        let kept = self.look_at_secret_mark(None).await?;
        let Some(values) = self.marked_values() else { return Ok(()) };
        let ours = self.refresh.mark();
        if kept.as_deref() != Some(&*ours) {
            let now = self.clock.now();
            let value = NewValue::new(secret_mark(), ours.into_bytes(), now, now.saturating_add(KEPT));
            self.within(values.save_value(value.keeps_out())).await?;
        }
        Ok(())
    }

    /// Looks at the mark of the server that has started last, and returns it. Tells of one that is not known
    /// here, unless it is the one that was reported before.
    pub(super) async fn look_at_secret_mark(
        &self,
        told: Option<&str>,
    ) -> Result<Option<String>, SessionError> {
        let Some(values) = self.marked_values() else { return Ok(None) };
        let kept = self.within(values.load_value(secret_mark(), self.clock.now())).await?;
        let kept = kept.map(|mark| String::from_utf8_lossy(&mark).into_owned());
        if let Some(mark) = &kept
            && told != Some(mark)
            && !self.refresh.knows_mark(mark)
        {
            tracing::warn!(target: "jwtauth", "another server has started on this store with a secret that is not known here: each refuses the tokens of the other. Give all servers of a store the same secret. To change it, let all of them know the new one first, with `KeyConfig::old_secret`");
        }
        Ok(kept)
    }

    /// Where the mark is. Of a store that one process has open, there is no other server.
    fn marked_values(&self) -> Option<Arc<dyn crate::store::ValueStore>> {
        if self.store.is_shared() { Arc::clone(&self.store).value_store() } else { None }
    }
}
