//! Who was let in before is let in by one look-up. Whatever changes meanwhile, on whichever thread: no request
//! that begins after a change was answered goes by what was before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jwtauth::api_keys::ApiKeyRequest;
use jwtauth::store::SessionStore;
use jwtauth::{ApiKeyConfig, AuthUser, Device, SledStore};
use poem::http::Method;
use serde::{Deserialize, Serialize};
use tests::app::{TestApp, User};
use tests::faulty::{Fault, Faulty};
use tests::numbers::Numbers;
use tests::tab::{Tab, cookies};
use tests::wire::Tokens;
use tests::{bounded, bounded_by};

const SESSIONS: u64 = 24;

/// A user of whom no token says much.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Author {
    id: u64,
    about: String,
}

/// What was done to a session: the plain map that every answer is compared with.
#[derive(Default)]
struct Told {
    /// The number of the newest user value that was acknowledged. It stands among the roles.
    value: AtomicU64,
    is_ending: AtomicBool,
    has_ended: AtomicBool,
}

struct Known {
    name: String,
    pair: Tokens,
    told: Told,
}

/// S-8: a revocation and a new user value count for the very next request, and nobody sees one undone.
#[test]
fn s_8_no_request_goes_by_what_was_before_an_acknowledged_change() {
    bounded_by(Duration::from_secs(240), async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = Arc::new(TestApp::with(store, |builder| builder));
        let tab = Tab::new(&app);
        let mut known = Vec::new();
        for number in 0..SESSIONS {
            let name = format!("user{number}");
            let pair = tab.login(&name).await;
            known.push(Known { name, pair, told: Told::default() });
        }
        let (known, is_over) = (Arc::new(known), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|seed| {
                let (app, known, is_over) = (Arc::clone(&app), Arc::clone(&known), Arc::clone(&is_over));
                tokio::spawn(async move { read(&app, &known, &is_over, seed).await })
            })
            .collect();
        write(&app, &known).await;
        is_over.store(true, Ordering::SeqCst);
        let (mut let_in, mut refused) = (0, 0);
        for reader in readers {
            let (more, others) = reader.await.unwrap();
            (let_in, refused) = (let_in + more, refused + others);
        }
        assert!(let_in > 20 && refused > 20, "{let_in} requests were let in, {refused} were not");
    });
}

/// Sends a header, and returns the status and how often a record was loaded for it.
async fn looks(tab: &Tab, store: &Faulty, header: &str, sent: &str) -> (u16, usize) {
    let before = store.loads();
    let answer = tab.send(Method::GET, "/me", &[(header, sent)]).await;
    (answer.status.as_u16(), store.loads() - before)
}

/// Whoever was let in is let in again without a look at the record, with the same tokens, until something changes.
#[test]
fn a_caller_who_is_known_costs_no_look_at_the_record() {
    bounded(async {
        let store = Faulty::with_stamps();
        let app = TestApp::with(store.clone(), |builder| builder);
        let tab = Tab::new(&app);
        let (pair, other) = (tab.login("alice").await, tab.login("alice").await);
        let cookies_of = async |pair: &Tokens| looks(&tab, &store, "cookie", &pair.cookies()).await;
        let bearer = format!("Bearer {}", pair.access);
        let ways = [("cookie", pair.cookies()), ("cookie", pair.only_access()), ("authorization", bearer)];
        assert_eq!(cookies_of(&pair).await, (200, 1), "the first time");
        for (header, sent) in &ways {
            assert_eq!(looks(&tab, &store, header, sent).await, (200, 0), "{sent}");
        }
        let mixed = cookies(Some(&pair.access), Some(&other.refresh));
        for _ in 0..2 {
            assert_eq!(looks(&tab, &store, "cookie", &mixed).await, (401, 1), "another one beside it");
        }
        for seen in [1, 0] {
            let alone = looks(&tab, &store, "cookie", &other.only_access()).await;
            assert_eq!(alone, (200, seen), "an access token alone");
        }
        app.jwtauth.sessions().update_user(&User::named("alice")).await.unwrap();
        for seen in [1, 0] {
            assert_eq!(cookies_of(&pair).await, (200, seen), "after a change");
        }
        app.clock.advance(Duration::from_secs(299));
        assert_eq!(cookies_of(&pair).await, (200, 0));
        assert!(app.jwtauth.sessions().revoke(pair.session()).await.unwrap());
        for (header, sent) in &ways {
            assert_eq!(looks(&tab, &store, header, sent).await, (401, 1), "{sent}");
        }
    });
}

/// K-2, K-6: likewise an API key, in the header of tokens and nowhere else, until its next use is to be noted.
#[test]
fn k_2_an_api_key_that_is_known_is_no_cookie() {
    bounded(async {
        let store = Faulty::with_stamps();
        let app = TestApp::with(store.clone(), |builder| builder.api_keys(ApiKeyConfig::default()));
        let tab = Tab::new(&app);
        let request = ApiKeyRequest::new("ci");
        let key = app.jwtauth.sessions().create_api_key(&User::named("alice"), request).await.unwrap();
        let bearer = format!("Bearer {}", key.secret());
        let answers = async |header: &str, sent: &str| {
            let before = store.loads();
            let answer = tab.send(Method::GET, "/identity", &[(header, sent)]).await;
            (answer.body, store.loads() - before)
        };
        // The first use is noted, so the record has changed after it.
        assert_eq!(answers("authorization", &bearer).await.0, "alice");
        for loads in [1, 0, 0] {
            assert_eq!(answers("authorization", &bearer).await, ("alice".into(), loads));
        }
        for sent in [cookies(Some(key.secret()), None), cookies(Some(key.secret()), Some(key.secret()))] {
            assert_eq!(answers("cookie", &sent).await.0, "nobody", "{sent}");
        }
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(answers("authorization", &bearer).await, ("alice".into(), 1), "the use is noted");
        assert!(app.jwtauth.sessions().revoke(key.session().id).await.unwrap());
        assert_ne!(answers("authorization", &bearer).await.0, "alice");
    });
}

/// Neither a session whose newest tokens were not seen yet is kept, or nobody would confirm them, nor a user value that is large.
#[test]
fn a_session_that_may_not_be_used_again_is_not_kept() {
    bounded(async {
        let store = Faulty::with_stamps();
        let app = TestApp::with(store.clone(), |builder| builder);
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        let pair = tab.post("/refresh", &pair.only_refresh()).await.pair();
        store.set(Fault::None, Fault::Error);
        for _ in 0..2 {
            assert_eq!(looks(&tab, &store, "cookie", &pair.cookies()).await, (200, 1), "not confirmed");
        }
        store.set(Fault::None, Fault::None);
        assert_eq!(looks(&tab, &store, "cookie", &pair.cookies()).await.0, 200);
        assert!(store.inner.load(pair.session()).await.unwrap().unwrap().confirmed);
        // 4 KiB.
        let length = |author: &Author| serde_json::to_vec(author).unwrap().len();
        for (more, looks_again) in [(0, 0), (1, 1)] {
            let mut author = Author { id: 7, about: String::new() };
            author.about = "a".repeat(4_096 - length(&author) + more);
            let tokens = app.jwtauth.sessions().login(&author, Device::default()).await.unwrap();
            for seen in [1, looks_again] {
                let before = store.loads();
                assert_eq!(tab.bearer("/identity", tokens.access()).await.body, "7");
                assert_eq!(store.loads() - before, seen, "{more} more");
            }
        }
    });
}

/// Changes user values, and ends one session after the other.
async fn write(app: &TestApp, known: &[Known]) {
    let mut numbers = Numbers::seeded(100);
    let sessions = app.jwtauth.sessions();
    for ended in 0..known.len() {
        for _ in 0..8 {
            let at = ended + usize::try_from(numbers.below((known.len() - ended) as u64)).unwrap();
            let Known { name, told, .. } = &known[at];
            let value = told.value.load(Ordering::SeqCst) + 1;
            let user = User { name: name.clone(), roles: vec![value.to_string()] };
            assert_eq!(sessions.update_user(&user).await.unwrap(), 1);
            told.value.store(value, Ordering::SeqCst);
        }
        let Known { pair, told, .. } = &known[ended];
        told.is_ending.store(true, Ordering::SeqCst);
        assert!(sessions.revoke(pair.session()).await.unwrap());
        told.has_ended.store(true, Ordering::SeqCst);
    }
}

/// Sends tokens in every way. Returns how many requests were let in, and how many were not.
async fn read(app: &TestApp, known: &[Known], is_over: &AtomicBool, seed: u64) -> (u64, u64) {
    let (tab, mut numbers) = (Tab::new(app), Numbers::seeded(seed));
    let mut seen = vec![0; known.len()];
    let (mut let_in, mut refused) = (0, 0);
    while !is_over.load(Ordering::SeqCst) {
        let at = usize::try_from(numbers.below(SESSIONS)).unwrap();
        let Known { name, pair, told } = &known[at];
        let other = &known[(at + 1) % known.len()].pair;
        let (had_ended, value) = (told.has_ended.load(Ordering::SeqCst), told.value.load(Ordering::SeqCst));
        let way = numbers.below(5);
        let (header, sent) = match way {
            0 | 1 => ("cookie", pair.cookies()),
            2 => ("cookie", pair.only_access()),
            3 => ("authorization", format!("Bearer {}", pair.access)),
            _ => ("cookie", cookies(Some(&pair.access), Some(&other.refresh))),
        };
        let answer = tab.send(Method::GET, "/me", &[(header, &sent)]).await;
        let case = format!("seed {seed}, {name}, way {way}");
        if answer.status != 200 {
            assert_eq!(answer.status, 401, "{case}");
            assert!(way == 4 || told.is_ending.load(Ordering::SeqCst), "{case}: refused without a reason");
            refused += 1;
            continue;
        }
        assert!(way != 4, "{case}: a refresh token of another session was beside it");
        assert!(!had_ended, "{case}: let in after the revocation");
        let user: User = serde_json::from_str(&answer.body).unwrap();
        let shown = user.roles.first().map_or(0, |value| value.parse().unwrap_or(0));
        assert!(shown >= value && shown >= seen[at], "{case}: {shown} after {value} and {}", seen[at]);
        assert_eq!(&user.name, name);
        seen[at] = shown;
        let_in += 1;
        // Others have their turn.
        tokio::task::yield_now().await;
    }
    (let_in, refused)
}
