//! What no single request shows: limits in time and in size, old tokens, and stores that others use too.

mod api_keys;
#[cfg(feature = "pages")]
mod counted;
mod old_tokens;
mod shared_store;
mod sweeps;

use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::clock::ManualClock;
use crate::device::Device;
use crate::events::Event;
use crate::key::{Algorithm, Keys};
use crate::secret::Secret;
use crate::store::{MemoryStore, sample};

/// When the clock of every test starts, in Unix seconds: at the beginning of an hour.
const START: u64 = 1_800_000_000;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Serialize, Deserialize, jwtauth_macros::AuthUser)]
struct User {
    #[auth(id)]
    name: String,
}

fn alice() -> User {
    User { name: "alice".into() }
}

/// Sessions of their own over a store, without the tasks of a server.
struct Setup {
    clock: ManualClock,
    config: Config,
    max_token: usize,
    hooks: Hooks,
}

impl Setup {
    fn new() -> Self {
        let (clock, max_token) = (ManualClock::at(START), 4_000);
        Self { clock, config: Config::default(), max_token, hooks: Hooks::default() }
    }

    fn over(self, store: Arc<dyn SessionStore>) -> (Arc<Sessions>, ManualClock) {
        let secret = Secret::new(b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG".to_vec());
        let keys = Keys::from_secret(Algorithm::HS256, &secret, "the secret").unwrap();
        let kinds = Kinds::new(keys, self.config.tokens.compat.as_ref()).unwrap();
        let clock = Arc::new(self.clock.clone());
        let sessions = Sessions::new(self.config, self.max_token, kinds, clock, store, self.hooks).unwrap();
        (Arc::new(sessions), self.clock)
    }

    fn in_memory(self) -> (Arc<Sessions>, ManualClock) {
        self.over(Arc::new(MemoryStore::new()))
    }

    /// Returns what hears the names of events.
    fn heard(&mut self) -> Arc<Mutex<Vec<&'static str>>> {
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let hears = Arc::clone(&heard);
        self.hooks.on_event(move |event: Event| {
            hears.lock().unwrap().push(event.name());
            std::future::ready(())
        });
        heard
    }
}

/// Lets tasks go on.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// `Debug` ends up in logs.
#[test]
fn debug_shows_no_token_and_nothing_of_a_person() {
    assert_eq!(format!("{:?}", Token::new("secret".into())), "Token([redacted])");
    assert_eq!(format!("{:?}", AskedOwners::default()), "AskedOwners { .. }");
    assert_eq!(format!("{:?}", ChangedDevices::default()), "ChangedDevices { .. }");
    assert_eq!(format!("{:?}", Hooks::default()), "Hooks { .. }");
    assert_eq!(format!("{:?}", KnownCallers::default()), "KnownCallers { .. }");
    let session = sample::session(7, "alice");
    let id = session.id;
    let pending = PendingLogin::new(session, Default::default(), None, None);
    let shown = format!("{pending:?}");
    assert!(shown.starts_with("PendingLogin { session: "), "{shown}");
    assert!(!shown.contains("alice") && !shown.contains(&id.to_string()), "{shown}");
}

/// H-1: the longest token that a browser keeps is handed out. A login leaves room for what a refresh may
/// need, and a refresh may use it.
#[test]
fn h_1_a_login_leaves_room_for_the_tokens_after_it() {
    const ROOM: usize = 34;
    let with_max = |max_token| Setup { max_token, ..Setup::new() }.in_memory().0;
    let none = Map::new();
    let login = Session { access_issued_at: START, ..sample::session(7, "alice") };
    let refreshed = Session { generation: 1, ..login.clone() };
    let issued = with_max(4_000).issue(login.clone(), &none, START).unwrap();
    let len = issued.access.expose().len().max(issued.refresh.expose().len());
    for (session, needed) in [(&login, len + ROOM), (&refreshed, len)] {
        assert!(with_max(needed).issue(session.clone(), &none, START).is_ok(), "to the last byte");
        let refused = with_max(needed - 1).issue(session.clone(), &none, START).unwrap_err();
        assert!(
            matches!(refused, SessionError::TokenTooLarge { got, max } if (got, max) == (needed, needed - 1))
        );
    }
    let sliding = with_max(4_000);
    let issue = |session: &Session, max| sliding.issue_sliding(session, &none, START, max);
    let len = issue(&login, 4_000).unwrap().expose().len();
    for (session, needed) in [(&login, len + ROOM), (&refreshed, len)] {
        assert!(issue(session, needed).is_ok(), "to the last byte");
        let refused = issue(session, needed - 1).unwrap_err();
        assert!(matches!(refused, SessionError::TokenTooLarge { got, .. } if got == needed));
    }
}

/// A request waits for no task where nobody is to hear of an event.
#[tokio::test]
async fn an_event_that_nobody_hears_is_not_waited_for() {
    let told = |sessions: Arc<Sessions>| {
        let event = Event::SessionExpired { session: Arc::new(sample::session(1, "alice")) };
        let mut told = Box::pin(async move { sessions.emit(event).await });
        told.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    };
    assert!(told(Setup::new().in_memory().0));
    let mut setup = Setup::new();
    let _heard = setup.heard();
    assert!(!told(setup.in_memory().0));
}

/// N-2: a login that is given up does not count any more, also before its session is revoked. So the next one
/// crowds nobody out.
#[tokio::test]
async fn n_2_a_login_that_is_given_up_crowds_nobody_out() {
    let mut setup = Setup::new();
    setup.config.max_sessions = 2;
    let (sessions, clock) = setup.in_memory();
    let first = sessions.login(&alice(), Device::default()).await.unwrap().session.id;
    clock.advance(SECOND);
    let pending = async || {
        let issued = sessions.open(&alice(), Device::default(), Vec::new(), Eviction::WithAnswer).await;
        issued.unwrap().pending.unwrap()
    };
    let (given_up, other) = (pending().await, pending().await);
    drop(given_up);
    assert!(sessions.hand_out(*other).await.unwrap().is_some());
    assert_eq!(sessions.load(first).await.unwrap().unwrap().revoked, None);
    settle().await;
    assert_eq!(sessions.list("alice").await.unwrap().len(), 2, "and then it is revoked");
}

/// All sessions of an account are revoked with a change that is no event: that is told if there were any.
#[cfg(feature = "accounts")]
#[tokio::test]
async fn sessions_that_end_with_an_account_are_told_of_and_no_others() {
    use crate::record::{Revocation, RevocationReason};
    use crate::store::{AccountStore as _, LoginEffects, SubjectRevocation};
    let store = Arc::new(MemoryStore::new());
    let mut setup = Setup::new();
    let heard = setup.heard();
    let (sessions, _) = setup.over(Arc::clone(&store) as _);
    let account = sample::account(1, "alice");
    assert!(store.create_account(account.clone()).await.unwrap());
    let revocation = SubjectRevocation::all(Revocation { at: START, reason: RevocationReason::Inactive });
    let change = async |revision| {
        let after = crate::store::StoredAccount { revision: revision + 1, ..account.clone() };
        sessions.change_account(Arc::clone(&store) as _, after, revision, Some(revocation), None).await
    };
    assert!(change(account.revision).await.unwrap());
    assert_eq!(*heard.lock().unwrap(), Vec::<&str>::new(), "there were none");
    let session = Session { expires_at: START + 60, ..sample::session(1, &account.id.to_string()) };
    store.insert(session, LoginEffects::default()).await.unwrap();
    assert!(change(account.revision + 1).await.unwrap());
    assert_eq!(*heard.lock().unwrap(), ["all_revoked"]);
}

/// What was revoked for a user of another service stays revoked for as long as any of its tokens can live:
/// 400 days, and a minute of leeway.
#[tokio::test]
async fn a_denied_subject_is_remembered_for_as_long_as_a_token_lives() {
    let store = Arc::new(MemoryStore::new());
    let mut setup = Setup::new();
    setup.config.tokens.compat = Some(crate::compat::Compat::simplejwt());
    let (sessions, _) = setup.over(Arc::clone(&store) as _);
    sessions.deny_subject("7", None).await.unwrap();
    let over = START + 400 * 24 * 60 * 60 + 60;
    assert_eq!(store.sweep(over - 1, 10).await.unwrap().removed, 0);
    assert_eq!(store.sweep(over, 10).await.unwrap().removed, 1);
}
