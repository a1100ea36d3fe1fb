//! R-1: an answer is a promise. The server is killed at random moments under load, and started again.
//!
//! Each client keeps a ledger: what it asked, and what it was answered. After each restart the ledgers
//! are compared with what the server says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode, header};
use tests::bounded_by;
use tests::numbers::Numbers;

const KILLS: usize = 50;
const CLIENTS: u64 = 4;
/// How many changes are answered at least before the server is killed, however busy the machine is.
const ANSWERS: usize = 25;
/// How many of the newest sessions may go on after a restart.
const KEPT: usize = 8;
/// How long a start may take (R-1).
const BOOT: Duration = Duration::from_secs(2);

/// What is known of one session.
struct Known {
    access: String,
    refresh: String,
    state: Fate,
    /// How many changes of it were answered while there was load.
    answers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Every change of it was answered.
    Live,
    /// A refresh was sent and not answered: the old token must do, as it was not used up or a moment ago.
    Refreshing,
    /// A logout was answered.
    Dead,
    /// A logout was sent and not answered.
    LoggingOut,
}

/// Cookies by hand: `Secure` ones are not sent over plain http by a client that keeps the rules.
fn tokens(response: &Response) -> Option<(String, String)> {
    let value = |name: &str| {
        response.headers().get_all(header::SET_COOKIE).iter().find_map(|cookie| {
            let cookie = cookie.to_str().ok()?.strip_prefix(name)?.strip_prefix('=')?;
            // An empty one deletes the cookie.
            cookie.split(';').next().filter(|value| !value.is_empty()).map(ToOwned::to_owned)
        })
    };
    Some((value("__Host-access_token")?, value("__Host-refresh_token")?))
}

impl Known {
    fn cookies(&self) -> String {
        format!("__Host-access_token={}; __Host-refresh_token={}", self.access, self.refresh)
    }

    async fn post(&self, client: &Client, url: &str) -> Option<Response> {
        client.post(url).header(header::COOKIE, self.cookies()).send().await.ok()
    }
}

/// What the clients of one server share.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answers: AtomicUsize,
}

/// Works until the server is gone: opens a session, renews it some times, ends some. Returns the ledger.
async fn work(client: Client, url: String, seed: u64, load: Arc<Load>) -> Vec<Known> {
    let mut random = Numbers::seeded(seed);
    let mut ledger = Vec::new();
    while !load.stop.load(Ordering::Relaxed) {
        let login = r#"{"username":"alice","password":"wonderland"}"#;
        let login =
            client.post(format!("{url}/login")).header(header::CONTENT_TYPE, "application/json").body(login);
        let Some((access, refresh)) = login.send().await.ok().as_ref().and_then(tokens) else {
            return ledger;
        };
        load.answers.fetch_add(1, Ordering::Relaxed);
        let mut known = Known { access, refresh, state: Fate::Live, answers: 1 };
        for _ in 0..random.below(40) {
            known.state = Fate::Refreshing;
            let renewed = known.post(&client, &format!("{url}/refresh")).await;
            match renewed.as_ref().and_then(tokens) {
                Some((access, refresh)) => {
                    load.answers.fetch_add(1, Ordering::Relaxed);
                    known = Known { access, refresh, state: Fate::Live, answers: known.answers + 1 };
                }
                None => {
                    assert!(renewed.is_none(), "a refresh was refused: {renewed:?}");
                    ledger.push(known);
                    return ledger;
                }
            }
        }
        if random.below(4) > 0 {
            known.state = Fate::LoggingOut;
            match known.post(&client, &format!("{url}/logout")).await {
                Some(answer) => {
                    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
                    known.state = Fate::Dead;
                    known.answers += 1;
                }
                None => {
                    ledger.push(known);
                    return ledger;
                }
            }
        }
        ledger.push(known);
    }
    ledger
}

/// Compares one session with what the server says, and takes what it hands out.
async fn check(client: &Client, url: &str, known: &mut Known, when: &str) {
    let me = client.get(format!("{url}/me")).bearer_auth(&known.access).send().await.unwrap();
    let (me, said) = (me.status(), me.text().await.unwrap());
    let renewed = known.post(client, &format!("{url}/refresh")).await.unwrap();
    let state = known.state;
    let expected: &[u16] = match state {
        Fate::Live | Fate::Refreshing => &[200],
        Fate::Dead => &[401],
        Fate::LoggingOut => &[200, 401],
    };
    assert!(expected.contains(&me.as_u16()), "{when}: {state:?}, and /me answers {me}: {said}");
    let alive = me == StatusCode::OK;
    assert_eq!(renewed.status().is_success(), alive, "{when}: {state:?}: {renewed:?}");
    match tokens(&renewed) {
        Some((access, refresh)) => {
            *known = Known { access, refresh, state: Fate::Live, answers: known.answers }
        }
        None => {
            assert!(!alive, "{when}: a refresh hands out tokens");
            known.state = Fate::Dead;
        }
    }
}

#[test]
fn r_1_nothing_acknowledged_is_lost_to_kill_9() {
    bounded_by(Duration::from_secs(150), async {
        let data = tempfile::tempdir().unwrap();
        let program = crate::quickstart().data(data.path());
        let mut random = Numbers::seeded(1);
        let mut all: Vec<Known> = Vec::new();
        let (mut refreshes_in_flight, mut logouts_in_flight, mut slowest) = (0, 0, Duration::ZERO);
        for kill in 0..KILLS {
            let start = Instant::now();
            let server = program.start();
            slowest = slowest.max(start.elapsed());
            // Connections of a dead server are of no use to the next one, which may have its port.
            let client = Client::builder().no_proxy().build().unwrap();
            for (age, known) in
                all.iter_mut().rev().enumerate().filter(|(_, known)| known.state != Fate::Dead)
            {
                check(&client, &server.url, known, &format!("after kill {kill}")).await;
                // A user has 32 sessions at most: the load would crowd out the older ones.
                if age >= KEPT && known.state == Fate::Live {
                    let answer = known.post(&client, &format!("{}/logout", server.url)).await.unwrap();
                    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
                    known.state = Fate::Dead;
                }
            }
            let load = Arc::<Load>::default();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let seed = kill as u64 * CLIENTS + number;
                    tokio::spawn(work(client.clone(), server.url.clone(), seed, Arc::clone(&load)))
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(50 + random.below(450))).await;
            while load.answers.load(Ordering::Relaxed) < ANSWERS {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            server.kill();
            load.stop.store(true, Ordering::Relaxed);
            for client in clients {
                for known in client.await.unwrap() {
                    refreshes_in_flight += usize::from(known.state == Fate::Refreshing);
                    logouts_in_flight += usize::from(known.state == Fate::LoggingOut);
                    all.push(known);
                }
            }
        }
        let server = program.start();
        let client = Client::builder().no_proxy().build().unwrap();
        for known in &mut all {
            check(&client, &server.url, known, "at the end").await;
        }
        let dead = all.iter().filter(|known| known.state == Fate::Dead).count();
        let answers: usize = all.iter().map(|known| known.answers).sum();
        println!(
            "{answers} answers, {} sessions, {dead} of them ended; killed with {refreshes_in_flight} refreshes and \
             {logouts_in_flight} logouts in flight; slowest start {slowest:?}",
            all.len()
        );
        assert!(all.len() > KILLS && dead > KILLS / 2, "there was load: {} sessions, {dead} dead", all.len());
        assert!(answers > 1_000, "R-1 asks for a thousand answers at least: {answers}");
        assert!(refreshes_in_flight > KILLS / 5, "the kills hit work: {refreshes_in_flight}");
        assert!(slowest < BOOT, "a start took {slowest:?}");
    });
}
