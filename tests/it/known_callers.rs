//! Who was let in before is let in by one look-up. Whatever changes meanwhile, on whichever thread: no request
//! that begins after a change was answered goes by what was before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jwtauth::SledStore;
use poem::http::Method;
use tests::app::{TestApp, User};
use tests::bounded_by;
use tests::numbers::Numbers;
use tests::tab::{Tab, cookies};
use tests::wire::Tokens;

const SESSIONS: u64 = 24;

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
