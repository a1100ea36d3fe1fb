//! A database that is down, slow, restarted or gone: 503 and never 401, in a bounded time, and all is well when it is back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::store::{LoginEffects, SessionStore as _};
use jwtauth::{PostgresConfig, PostgresStore, StorageConfig, testing};
use tests::app::TestApp;
use tests::bounded_by;
use tests::pooler::Pooler;
use tests::postgres::Postgres;
use tests::tab::{Answer, Cookies, Tab};
use tests::wire::Tokens;

use super::{client, connected, open};

/// How long the store waits, and how long a request may take.
const TIMEOUT: Duration = Duration::from_millis(1_500);
const BOUND: Duration = Duration::from_secs(9);

fn assert_unavailable(answer: &Answer, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "store_unavailable"), "{what}");
    assert!(answer.headers.contains_key("retry-after"), "{what}");
    assert_eq!(answer.cookies(), Cookies::None, "{what}: cookies are neither set nor deleted");
}

/// Asks for everything that needs the database, and expects 503 in a bounded time each.
async fn all_is_unavailable(tab: &Tab, pair: &Tokens, what: &str) {
    for path in ["/me", "/hello", "/admin"] {
        let since = Instant::now();
        assert_unavailable(&tab.get(path, &pair.cookies()).await, &format!("{what}: {path}"));
        assert!(since.elapsed() < BOUND, "{what}: {path} took {:?}", since.elapsed());
    }
    for path in ["/refresh", "/logout", "/logout/all"] {
        let since = Instant::now();
        assert_unavailable(&tab.post(path, &pair.cookies()).await, &format!("{what}: {path}"));
        assert!(since.elapsed() < BOUND, "{what}: {path} took {:?}", since.elapsed());
    }
    assert_unavailable(&tab.login_with("bob", "").await, &format!("{what}: login"));
    assert_eq!(tab.get("/hello", "").await.status, 200, "{what}: strangers need no database");
}

async fn app(config: PostgresConfig) -> (TestApp, Tab) {
    let store = PostgresStore::connect(config.timeout(TIMEOUT).pool_size(4)).await.unwrap();
    let app = TestApp::with(store, |builder| {
        builder.storage(StorageConfig::default().timeout(Duration::from_secs(5)))
    });
    let tab = Tab::new(&app);
    (app, tab)
}

/// each way to stop, and it heals without a restart of the program.
#[test]
fn r_5_a_database_that_is_down_is_503_and_comes_back_by_itself() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let (_app, tab) = app(server.config()).await;
        let pair = tab.login("alice").await;
        for stop in [Postgres::stop as fn(&Postgres), Postgres::kill] {
            stop(&server);
            all_is_unavailable(&tab, &pair, "it is down").await;
            server.start_again();
            // The first request after it: dead connections are no error of anybody's.
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "what was acknowledged is there");
            let bob = tab.login("bob").await;
            assert_eq!(tab.post("/logout", &bob.cookies()).await.status, 200);
        }
    });
}

/// A restart between two requests is not noticed at all.
#[test]
fn a_restart_between_two_requests_fails_neither() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let (_app, tab) = app(server.config()).await;
        for round in 0..3 {
            let pair = tab.login("alice").await;
            server.stop();
            server.start_again();
            let next = tab.post("/refresh", &pair.cookies()).await;
            assert_eq!(next.status, 200, "round {round}: a refresh on a connection that is dead");
            server.kill();
            server.start_again();
            assert_eq!(tab.get("/me", &next.pair().cookies()).await.status, 200, "round {round}");
            server.stop();
            server.start_again();
            assert_eq!(tab.post("/logout", &next.pair().cookies()).await.status, 200, "round {round}");
        }
    });
}

/// Passes bytes on to a server, until it swallows them.
struct Swallower {
    port: u16,
    swallows: Arc<AtomicBool>,
}

impl Swallower {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let swallows = Arc::new(AtomicBool::new(false));
        let (own, flag) = (listener.local_addr().unwrap().port(), Arc::clone(&swallows));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (from, to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    let flag = Arc::clone(&flag);
                    thread::spawn(move || pass_on(from, to, &flag));
                }
            }
        });
        Self { port: own, swallows }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, swallows: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !swallows.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other side hears of the end.
    let _ = to.shutdown(Shutdown::Both);
}

/// a network in which everything vanishes, without a word.
#[test]
fn r_5_a_network_that_swallows_is_503_in_a_bounded_time() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let swallower = Swallower::before(server.port());
        let url = format!("postgres://tests@127.0.0.1:{}/postgres", swallower.port);
        let (_app, tab) = app(PostgresConfig::new(url)).await;
        for round in 0..2 {
            let pair = tab.login("alice").await;
            swallower.swallows.store(true, Ordering::SeqCst);
            all_is_unavailable(&tab, &pair, "it swallows").await;
            swallower.swallows.store(false, Ordering::SeqCst);
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "round {round}: alive again");
        }
    });
}

/// each of several hosts costs its share of the time, and all of them no more than the time.
#[test]
fn r_5_several_hosts_that_all_say_nothing_are_503_in_the_time_that_is_set() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let hosts = [server.port(); 3].map(Swallower::before);
        let addresses = hosts.each_ref().map(|host| format!("127.0.0.1:{}", host.port)).join(",");
        let url = format!("postgres://tests@{addresses}/postgres");
        let (limit, of_store) = (Duration::from_millis(1_200), Duration::from_secs(2));
        // What a busy machine takes to answer at all.
        let slack = Duration::from_millis(900);
        let config = PostgresConfig::new(&url).timeout(limit).pool_size(4);
        let store = PostgresStore::connect(config.clone()).await.unwrap();
        let app = TestApp::with(store, |builder| builder.storage(StorageConfig::default().timeout(of_store)));
        let tab = Tab::new(&app);
        let swallow =
            |swallows| hosts.iter().for_each(|host| host.swallows.store(swallows, Ordering::SeqCst));
        for round in 0..2 {
            let pair = tab.login("alice").await;
            swallow(true);
            // The first finds connections that were good, and the later ones none.
            for path in ["/me", "/me", "/refresh", "/logout"] {
                let since = Instant::now();
                let answer = match path {
                    "/me" => tab.get(path, &pair.cookies()).await,
                    path => tab.post(path, &pair.cookies()).await,
                };
                assert_unavailable(&answer, path);
                assert!(
                    since.elapsed() < of_store + slack,
                    "round {round}: {path} took {:?}",
                    since.elapsed()
                );
            }
            let since = Instant::now();
            PostgresStore::connect(config.clone()).await.unwrap_err();
            let took = since.elapsed();
            assert!(took >= limit && took < limit + slack, "round {round}: a start took {took:?}");
            swallow(false);
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "round {round}: alive again");
        }
    });
}

/// a pooler lets everybody in by itself, while its server answers nothing.
#[test]
fn r_5_a_pooler_without_its_server_is_503_in_a_bounded_time() {
    let Some(server) = Postgres::start(&[]) else { return };
    let Some(pooler) = Pooler::start(&server) else { return };
    bounded_by(Duration::from_secs(120), async {
        let config = PostgresConfig::new(pooler.url()).prepared_statements(false).allow_fsync_off();
        let (app, tab) = app(config).await;
        let pair = tab.login("alice").await;
        let operator = connected(&pooler.console_url()).await;
        operator.batch_execute("PAUSE").await.unwrap();
        all_is_unavailable(&tab, &pair, "it is paused").await;
        let since = Instant::now();
        app.jwtauth.sessions().list("alice").await.unwrap_err();
        assert!(since.elapsed() < BOUND, "{:?}", since.elapsed());
        operator.batch_execute("RESUME").await.unwrap();
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "it goes on");
    });
}

/// somebody holds all that a request needs.
#[test]
fn r_5_a_lock_that_is_not_given_back_is_503_in_a_bounded_time() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let (_app, tab) = app(PostgresConfig::new(server.url())).await;
        let pair = tab.login("alice").await;
        let mut other = client(&server).await;
        let hold = other.transaction().await.unwrap();
        hold.batch_execute("LOCK TABLE jwtauth.sessions, jwtauth.subjects").await.unwrap();
        all_is_unavailable(&tab, &pair, "it is locked").await;
        hold.rollback().await.unwrap();
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
    });
}

/// N-2: what nobody waited for did not happen, though its commit came later.
#[test]
fn n_2_a_login_that_was_answered_503_leaves_no_session() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let (app, tab) = app(PostgresConfig::new(server.url())).await;
        let first = tab.login("alice").await;
        let mut other = client(&server).await;
        let hold = other.transaction().await.unwrap();
        hold.batch_execute("LOCK TABLE jwtauth.subjects").await.unwrap();
        for _ in 0..3 {
            assert_unavailable(&tab.login_with("alice", &first.cookies()).await, "login");
        }
        hold.rollback().await.unwrap();
        let since = Instant::now();
        // What is undone is undone by somebody who waited too.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut left = app.jwtauth.sessions().list("alice").await.unwrap();
        while left.len() > 1 {
            assert!(since.elapsed() < Duration::from_secs(40), "{left:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            left = app.jwtauth.sessions().list("alice").await.unwrap();
        }
        assert_eq!(left.len(), 1);
        assert_eq!(tab.get("/me", &first.cookies()).await.status, 200, "and nobody was thrown out");
    });
}

/// A standby that became the primary, or a server that takes no changes: the connection is given up.
#[test]
fn a_server_that_takes_no_changes_is_503_until_it_does() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let (_app, tab) = app(PostgresConfig::new(server.url())).await;
        let pair = tab.login("alice").await;
        let store = open(&server.config()).await;
        let owner = client(&server).await;
        owner.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
        owner.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_unavailable(&tab.post("/logout", &pair.cookies()).await, "logout");
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200, "reads go on");
        // Its commit was sent with it, and the server has undone it.
        let refused = store.insert(testing::session(1, "b"), LoginEffects::default()).await.unwrap_err();
        let refused = format!("{refused:?}");
        assert!(refused.contains("read-only") && !refused.contains("may have happened"), "{refused}");
        owner.batch_execute("SET default_transaction_read_only = off").await.unwrap();
        owner.batch_execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
        owner.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(tab.post("/logout", &pair.cookies()).await.status, 200);
    });
}

/// A database that is down at the start is an error at the start, with the address and without the password.
#[test]
fn no_database_at_the_start_is_an_error_that_says_so() {
    bounded_by(Duration::from_secs(10), async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("postgres://tests:pa55word@127.0.0.1:{port}/postgres");
        let shown = format!("{:?}", PostgresStore::connect(url).await.unwrap_err());
        assert!(shown.contains("cannot connect to PostgreSQL") && !shown.contains("pa55word"), "{shown}");
        assert!(shown.contains("refused"), "{shown}");
    });
    let Some(server) = tests::postgres::shared() else { return };
    bounded_by(Duration::from_secs(10), async { drop(open(&server.config()).await) });
}
