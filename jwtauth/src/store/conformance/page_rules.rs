//! The rules of a store that lists its sessions for operators.

use std::sync::Arc;

use super::{logout, put, session};
use crate::id::SessionId;
use crate::store::session_store::SessionStore;

pub(super) async fn sessions_are_listed_in_pages<S: SessionStore>(store: &Arc<S>) {
    let size = async || store.size().await.expect("size").map(|size| size.sessions);
    assert!(matches!(size().await, None | Some(0)), "the size of an empty store");
    let Some(pages) = Arc::clone(store).session_pages() else { return };
    for number in [3, 1, 5, 2, 4] {
        put(&**store, &session(number, if number % 2 == 0 { "a" } else { "b" })).await;
    }
    assert!(matches!(size().await, None | Some(5)), "the size with five sessions");
    store.revoke(session(2, "a").id, logout(200)).await.expect("revoke");
    let ids = async |after, limit| -> Vec<SessionId> {
        let page = pages.sessions_after(after, limit).await.expect("sessions_after");
        page.iter().map(|session| session.id).collect()
    };
    let mut all: Vec<_> = (1..=5).map(|number| session(number, "a").id).collect();
    all.sort_unstable();
    assert_eq!(ids(None, 10).await, all, "all, dead or alive, in the order of their ids");
    assert_eq!(ids(None, 2).await, all[..2], "the first page");
    assert_eq!(ids(Some(all[1]), 2).await, all[2..4], "the page behind it");
    assert_eq!(ids(Some(all[3]), 2).await, all[4..], "the last page");
    assert_eq!(ids(Some(all[4]), 2).await, [], "behind the last");
    assert_eq!(ids(Some(SessionId::from_bytes([0; 16])), 10).await, all, "behind an id that is not there");
}
