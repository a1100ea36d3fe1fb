//! How many sessions are live: counted, or estimated where there are many.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};

use super::Sessions;
use super::since_start::SLOT;
use crate::error::SessionError;

/// How many sessions are read to know how many are live. Of more, the share in these is taken for that in
/// all: ids are random, so the first of them are any. That is 2 percent off at most, in 19 of 20 cases.
const LOOKED_AT: usize = 2_048;

/// How many sessions are read at once.
const PAGE: usize = 256;

/// How many sessions are live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveCount {
    pub(crate) live: u64,
    /// Whether not all were counted.
    pub(crate) is_estimate: bool,
}

impl Sessions {
    /// Counts what the store keeps, and notes it. A store may read all that it has for that.
    async fn count_size(&self) -> Result<(), SessionError> {
        if let Some(size) = self.within(self.store.size()).await? {
            self.reporter.since_start.note_size(size, self.now());
        }
        Ok(())
    }

    /// Counts the live sessions, and notes how many there are. It reads 2,048 at most. `None` if the store
    /// does not offer what is needed, or there are more and nobody has counted them.
    pub(crate) async fn count_live(&self) -> Result<Option<LiveCount>, SessionError> {
        let Some(pages) = Arc::clone(&self.store).session_pages() else { return Ok(None) };
        let (now, mut after, mut read, mut live) = (self.now(), None, 0, 0);
        let counted = loop {
            let page = self.within(pages.sessions_after(after, PAGE)).await?;
            read += page.len() as u64;
            live += page.iter().filter(|session| session.is_live_at(now)).count() as u64;
            after = page.last().map(|session| session.id);
            if page.len() < PAGE {
                break LiveCount { live, is_estimate: false };
            }
            if read >= LOOKED_AT as u64 {
                let Some((_, size)) = self.reporter.since_start.last_size() else { return Ok(None) };
                let all = u128::from(live) * u128::from(size.sessions.max(read)) / u128::from(read);
                break LiveCount {
                    live: all.try_into().unwrap_or(u64::MAX),
                    is_estimate: size.sessions > read,
                };
            }
            yield_now().await;
        };
        self.reporter.since_start.note_live(counted.live, now);
        Ok(Some(counted))
    }
}

/// The task that counts once what the audit trail has, and regularly what the store keeps, and the live
/// sessions. Stops when dropped, or when the sessions are gone.
#[derive(Debug)]
pub(crate) struct LiveCounter(JoinHandle<()>);

impl LiveCounter {
    pub(crate) fn start(sessions: &Arc<Sessions>) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        Some(Self(runtime.spawn(count_until_gone(Arc::downgrade(sessions)))))
    }
}

impl Drop for LiveCounter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn count_until_gone(sessions: Weak<Sessions>) {
    if let Some(sessions) = sessions.upgrade()
        && let Err(error) = sessions.count_from_trail().await
    {
        tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "the audit trail was not read for the charts");
    }
    loop {
        let Some(sessions) = sessions.upgrade() else { return };
        // What was counted before stays. A page shows it, or that it is unknown.
        if let Err(error) = sessions.count_size().await {
            tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "what the store keeps was not counted");
        }
        if let Err(error) = sessions.count_live().await {
            tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "live sessions were not counted");
        }
        drop(sessions);
        tokio::time::sleep(Duration::from_secs(SLOT)).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::{Device, JwtAuth, MemoryStore};

    #[derive(Clone, serde::Serialize, serde::Deserialize, jwtauth_macros::AuthUser)]
    struct User {
        #[auth(id)]
        name: String,
    }

    #[tokio::test]
    async fn m_24_live_sessions_are_counted_or_estimated() {
        let builder = JwtAuth::builder().secret("Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
        let jwtauth = builder.build(MemoryStore::new()).unwrap();
        let sessions = jwtauth.sessions();
        let mut opened = 0;
        let mut log_in = async |count: usize, is_revoked: bool| {
            for _ in 0..count {
                opened += 1;
                let user = User { name: format!("user {opened}") };
                let session = sessions.login(&user, Device::default()).await.unwrap().session;
                if is_revoked {
                    sessions.revoke(session.id).await.unwrap();
                }
            }
        };
        log_in(10, true).await;
        log_in(30, false).await;
        let counted = sessions.count_live().await.unwrap().unwrap();
        assert_eq!((counted.live, counted.is_estimate), (30, false));
        // Few enough to look at all of them.
        log_in(1_000, true).await;
        log_in(1_007, false).await;
        let exact = (1_037, false);
        let counted = sessions.count_live().await.unwrap().unwrap();
        assert_eq!((counted.live, counted.is_estimate), exact);
        log_in(1, true).await;
        assert_eq!(sessions.count_live().await.unwrap(), None, "nobody knows whether there are more");
        sessions.count_size().await.unwrap();
        let counted = sessions.count_live().await.unwrap().unwrap();
        assert_eq!((counted.live, counted.is_estimate), exact);
        // Half of very many.
        log_in(489, true).await;
        log_in(463, false).await;
        sessions.count_size().await.unwrap();
        let counted = sessions.count_live().await.unwrap().unwrap();
        assert!(counted.is_estimate && (1_300..1_700).contains(&counted.live), "{counted:?}");
    }
}
