//! poem's own sessions in the embedded store: over HTTP and across restarts.

mod outage;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jwtauth::clock::ManualClock;
use jwtauth::error::{ConfigError, StoreError};
use jwtauth::{PoemSessions, SledStore};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::session::{CookieConfig, ServerSession, Session, SessionStorage};
use poem::web::{Data, Path as Segment};
use poem::{Endpoint as _, EndpointExt as _, Request, Response, Route, get, handler};
use tests::app::{SECRET, START, TestApp};
use tests::bounded;
use tests::serve::serve;
use tests::wire::set_cookies;
use tokio::sync::Semaphore;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[handler]
fn read(session: &Session) -> String {
    session.get("word").unwrap_or_else(|| "nothing".into())
}

#[handler]
fn write(session: &Session, Segment(word): Segment<String>) {
    session.set("word", word);
}

#[handler]
fn write_long(session: &Session, Segment(len): Segment<usize>) {
    session.set("word", "x".repeat(len));
}

#[handler]
fn purge(session: &Session) {
    session.purge();
}

#[handler]
fn renew(session: &Session) {
    session.renew();
}

/// Writes when it is let through.
#[handler]
async fn write_slowly(session: &Session, Data(gate): Data<&Arc<Semaphore>>) {
    gate.acquire().await.expect("the gate is never closed").forget();
    session.set("word", "slow");
}

/// An app with poem's sessions, and what its requests need.
struct App {
    endpoint: BoxEndpoint<'static, Response>,
    gate: Arc<Semaphore>,
}

/// What came back.
struct Answer {
    status: u16,
    body: String,
    /// The session id that was set, or an empty text if it was deleted.
    cookie: Option<String>,
}

impl App {
    fn new(storage: impl SessionStorage + 'static) -> Self {
        Self::with(CookieConfig::new().name("id"), storage)
    }

    fn with(config: CookieConfig, storage: impl SessionStorage + 'static) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let endpoint = Route::new()
            .at("/", get(read))
            .at("/write/:word", get(write))
            .at("/write-long/:len", get(write_long))
            .at("/write-slowly", get(write_slowly))
            .at("/purge", get(purge))
            .at("/renew", get(renew))
            .with(ServerSession::new(config, storage))
            .data(Arc::clone(&gate))
            .boxed();
        Self { endpoint, gate }
    }

    async fn get(&self, path: &str, id: &str) -> Answer {
        let mut request = Request::builder().method(Method::GET).uri(path.parse().unwrap());
        if !id.is_empty() {
            request = request.header(header::COOKIE, format!("id={id}"));
        }
        let mut response = self.endpoint.get_response(request.finish()).await;
        let cookie = set_cookies(response.headers()).iter().find_map(|line| {
            line.strip_prefix("id=").map(|rest| rest.split(';').next().unwrap_or_default().to_owned())
        });
        let body = response.take_body().into_string().await.unwrap();
        Answer { status: response.status().as_u16(), body, cookie }
    }

    /// Opens a session with a word in it and returns its id.
    async fn open(&self, word: &str) -> String {
        let answer = self.get(&format!("/write/{word}"), "").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.cookie.expect("a new session sets its cookie")
    }

    async fn word(&self, id: &str) -> String {
        let answer = self.get("/", id).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

async fn open(path: &Path) -> SledStore {
    SledStore::open(path).await.unwrap_or_else(|error| panic!("{error}"))
}

/// the store goes straight into poem's middleware, and what was answered is there after a restart.
#[test]
fn r_1_a_session_lives_across_restarts_until_it_is_purged() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let app = App::new(PoemSessions::new(open(&path).await));
        assert_eq!(app.word("").await, "nothing");
        let id = app.open("first").await;
        assert_eq!(app.word(&id).await, "first");
        assert_eq!(app.get("/write/second", &id).await.cookie, None, "the id stays");
        drop(app);

        let app = App::new(PoemSessions::new(open(&path).await));
        assert_eq!(app.word(&id).await, "second");
        assert!(app.get("/purge", &id).await.cookie.is_some_and(|cookie| cookie.is_empty()), "it is deleted");
        assert_eq!(app.word(&id).await, "nothing");
        drop(app);

        let app = App::new(PoemSessions::new(open(&path).await));
        assert_eq!(app.word(&id).await, "nothing", "a purge that was answered holds");
        let another = app.get("/write/third", &id).await.cookie.expect("a purged id is not taken up again");
        assert!(another != id && !another.is_empty());
        assert_eq!(app.word("made-up").await, "nothing", "nor is one that was made up");
        assert_eq!(app.get("/write/x", "made-up").await.cookie.map(|cookie| cookie.len()), Some(43));
    });
}

/// The sessions of fifty browsers at once, over real HTTP, and of ten requests in one session.
#[test]
fn fifty_browsers_at_once_keep_their_sessions_apart() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path).await;
        let served = serve(App::new(PoemSessions::new(store.clone())).endpoint).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let browsers = (0..50).map(async |number| {
            let answer = client.get(served.at(&format!("/write/word-{number}"))).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let line = answer.headers()[header::SET_COOKIE].to_str().unwrap();
            assert!(line.contains("HttpOnly") && line.contains("Secure"), "{line}");
            let id = line.strip_prefix("id=").unwrap().split(';').next().unwrap().to_owned();
            for _ in 0..3 {
                let cookie = format!("id={id}");
                let word = client.get(served.at("/")).header(header::COOKIE, &cookie).send().await.unwrap();
                assert_eq!(word.text().await.unwrap(), format!("word-{number}"));
            }
            id
        });
        let mut ids = futures_util::future::join_all(browsers).await;
        let shared = format!("id={}", ids[0]);
        let writes = (0..10).map(async |number| {
            let request = client.get(served.at(&format!("/write/shared-{number}")));
            assert_eq!(request.header(header::COOKIE, &shared).send().await.unwrap().status(), 200);
        });
        futures_util::future::join_all(writes).await;
        // With the client go its connections, each of which is a task of the server.
        drop((client, served, store));
        let store = loop {
            match SledStore::open(&path).await {
                Err(StoreError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                opened => break opened.unwrap(),
            }
        };
        let app = App::new(PoemSessions::new(store));
        assert!(app.word(&ids[0]).await.starts_with("shared-"), "one of them was the last");
        for (number, id) in ids.iter().enumerate().skip(1) {
            assert_eq!(app.word(id).await, format!("word-{number}"));
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 50);
    });
}

/// S-13: a session ends by the clock, swept or not; a change puts it off, a look at it does not.
#[test]
fn s_13_a_session_ends_after_its_max_age_or_the_default() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store")).await;
        let clock = ManualClock::at(START);
        let sessions = PoemSessions::new(store).clock(clock.clone());
        let minutes = |count: u64| Duration::from_secs(count * 60);
        let short = sessions.clone().default_ttl(minutes(10)).unwrap();
        let max_age = |age| CookieConfig::new().name("id").max_age(age);
        // (app, how long it lasts)
        let cases = [
            (App::new(sessions.clone()), DAY),
            (App::new(short.clone()), minutes(10)),
            (App::with(max_age(minutes(3)), short), minutes(3)),
            (App::with(max_age(Duration::from_millis(1_500)), sessions.clone()), Duration::from_secs(2)),
            (App::with(max_age(Duration::MAX), sessions), PoemSessions::MAX_TTL),
        ];
        let second = Duration::from_secs(1);
        for (app, ttl) in cases {
            let id = app.open("word").await;
            clock.advance(ttl - second);
            assert_eq!(app.word(&id).await, "word", "{ttl:?}: the last second");
            clock.advance(second);
            assert_eq!(app.word(&id).await, "nothing", "{ttl:?}: over");
            let id = app.open("word").await;
            clock.advance(ttl - second);
            app.get("/write/more", &id).await;
            clock.advance(ttl - second);
            assert_eq!(app.word(&id).await, "more", "{ttl:?}: put off");
            clock.advance(second);
            assert_eq!(app.word(&id).await, "nothing", "{ttl:?}: over for good");
        }
    });
}

#[test]
fn the_default_lifetime_has_bounds() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let sessions = PoemSessions::new(open(&directory.path().join("store")).await);
        let (second, max) = (Duration::from_secs(1), PoemSessions::MAX_TTL);
        for (ttl, good) in [(second, true), (second / 2, false), (max, true), (max + second, false)] {
            match sessions.clone().default_ttl(ttl) {
                Ok(_) => assert!(good, "{ttl:?} passed"),
                Err(ConfigError::Setting { name: "PoemSessions::default_ttl", got, problem }) => {
                    assert!(!good, "{ttl:?}");
                    let wanted =
                        if ttl < second { "500ms".into() } else { format!("{} seconds", ttl.as_secs()) };
                    assert_eq!((got, &*problem), (wanted, "it must be between 1 second and 400 days"));
                }
                Err(other) => panic!("{ttl:?}: {other}"),
            }
        }
    });
}

/// S-2: renewed, a session has a new id, and the old one is nobody's.
#[test]
fn s_2_a_renewed_session_leaves_its_old_id_behind() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let app = App::new(PoemSessions::new(open(&directory.path().join("store")).await));
        let old = app.open("kept").await;
        let new = app.get("/renew", &old).await.cookie.expect("a new id");
        assert_ne!(new, old);
        assert_eq!(app.word(&new).await, "kept");
        assert_eq!(app.word(&old).await, "nothing");
    });
}

/// J-24: a request that read the session before it was purged, and saves after that, brings nothing back.
#[test]
fn j_24_a_slow_request_does_not_undo_a_purge() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let app = App::new(PoemSessions::new(open(&directory.path().join("store")).await));
        for end in ["/purge", "/renew"] {
            let id = app.open("word").await;
            let slow = app.get("/write-slowly", &id);
            let ends = async {
                tokio::task::yield_now().await;
                assert_eq!(app.get(end, &id).await.status, 200);
                app.gate.add_permits(1);
            };
            let (slow, ()) = tokio::join!(slow, ends);
            assert_eq!((slow.status, slow.cookie), (200, None), "{end}: it is answered as ever");
            assert_eq!(app.word(&id).await, "nothing", "{end}");
        }
    });
}

/// nothing in the files can be used as a cookie.
#[test]
fn r_3_no_session_id_is_ever_in_the_files() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let app = App::new(PoemSessions::new(open(&path).await));
        let mut ids = Vec::new();
        for number in 0..5 {
            let id = app.open(&format!("wanderer-{number}")).await;
            ids.push(app.get("/renew", &id).await.cookie.unwrap());
            ids.push(id);
        }
        let search = |when: &str| {
            let mut bytes = Vec::new();
            for entry in fs::read_dir(&path).unwrap() {
                let file = entry.unwrap().path();
                if file.is_file() {
                    bytes.extend(fs::read(file).unwrap());
                }
            }
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            assert!(holds(b"wanderer-4"), "{when}: the search finds what is there");
            for id in &ids {
                // A part would do to guess the rest, were it only large enough.
                assert!(!holds(&id.as_bytes()[..16]), "{when}: {id}");
                assert!(!holds(&crate::store::decode(id)[..12]), "{when}: {id}, decoded");
            }
        };
        search("while it runs");
        drop(app);
        search("at rest");
    });
}

/// One store for logins and for poem's sessions: both work, one sweep serves both, and the last handle closes it.
#[test]
fn one_store_serves_logins_and_poem_sessions() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = open(&path).await;
        let logins = TestApp::with(store.clone(), |builder| builder);
        let storage = PoemSessions::new(store).clock(logins.clock.clone());
        let app = App::new(storage);
        let tab = tests::tab::Tab::new(&logins);
        let pair = tab.login("alice").await;
        let id = app.open("word").await;
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(app.word(&id).await, "word");
        logins.clock.advance(DAY);
        assert_eq!(tests::sweep(logins.jwtauth.sessions()).await, 2);
        drop(app);
        let at_once = jwtauth::SledConfig::new(&path).lock_timeout(Duration::ZERO);
        let refused = SledStore::open(at_once).await;
        assert!(matches!(refused, Err(StoreError::Locked { .. })), "{refused:?}");
        drop((tab, logins));
        // The background sweep lets go when the runtime comes to it.
        while matches!(SledStore::open(&path).await, Err(StoreError::Locked { .. })) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let builder = jwtauth::JwtAuth::builder().secret(SECRET);
        drop(builder.build(open(&path).await).unwrap());
    });
}
