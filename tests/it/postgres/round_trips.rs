//! How often each request waits for the database: what the guide `scaling` says of it, told by a network that is far.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jwtauth::{PostgresConfig, PostgresStore};
use tests::app::TestApp;
use tests::bounded;
use tests::postgres;
use tests::tab::Tab;

use super::open;

/// There and back.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(120);

/// Passes bytes on to a server that is far away. Returns the port to use.
pub(super) fn far_away(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
            carry(client.try_clone().unwrap(), server.try_clone().unwrap());
            carry(server, client);
        }
    });
    port
}

/// Carries bytes in one direction. What is sent later does not wait for what was sent before.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let (sender, under_way) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            drop(sender.send((Instant::now() + ROUND_TRIP / 2, buffer[..count].to_vec())));
        }
    });
    thread::spawn(move || {
        let _ = to.set_nodelay(true);
        for (arrives, bytes) in under_way {
            thread::sleep(arrives.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Returns how many round trips something takes, and its outcome.
async fn trips<T>(asked: impl Future<Output = T>) -> (u128, T) {
    let since = Instant::now();
    let outcome = asked.await;
    (since.elapsed().as_millis() / ROUND_TRIP.as_millis(), outcome)
}

/// A session is opened, changed and ended in one round trip each, and read in one. Before a change the session of the
/// request is read. Before a login leaves, the store is asked whether it still stands.
#[test]
fn a_request_waits_for_the_database_as_often_as_the_guide_says() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        let schema = server.schema();
        open(&server.config().schema(&schema)).await.close();
        let url = format!("postgres://tests@127.0.0.1:{}/postgres", far_away(server.port()));
        let config = PostgresConfig::new(url).schema(&schema).pool_size(2).allow_fsync_off();
        // On a new connection statements are prepared first.
        for (way, config, rounds) in
            [("prepared", config.clone(), 8), ("nothing prepared", config.prepared_statements(false), 4)]
        {
            let store = PostgresStore::connect(config).await.unwrap();
            let app = TestApp::with(store.clone(), |builder| builder);
            let narrow = TestApp::with(store, |builder| builder.max_sessions(2));
            let (tab, narrow_tab) = (Tab::new(&app), Tab::new(&narrow));
            // What a busy machine does only adds to it.
            let mut least = [u128::MAX; 7];
            for round in 0..rounds {
                let (login, pair) = trips(tab.login("alice")).await;
                let (look, answer) = trips(tab.get("/me", &pair.cookies())).await;
                assert_eq!(answer.status, 200);
                let (refresh, next) = trips(tab.post("/refresh", &pair.cookies())).await;
                let next = next.pair();
                let (logout, answer) = trips(tab.post("/logout", &next.cookies())).await;
                assert_eq!(answer.status, 200);
                let (stranger, answer) = trips(tab.get("/hello", "")).await;
                assert_eq!(answer.status, 200);
                // A login ends the session that the browser had, which was read before, or the one that was idle the longest.
                let name = format!("{way} {round}");
                let first = tab.login(&name).await;
                let (instead, answer) = trips(tab.login_with(&name, &first.cookies())).await;
                assert_eq!(answer.status, 200);
                assert_eq!(tab.get("/me", &first.cookies()).await.status, 401);
                narrow_tab.login(&name).await;
                let (crowded, _) = trips(narrow_tab.login(&name)).await;
                assert_eq!(app.jwtauth.sessions().list(&name).await.unwrap().len(), 2);
                let taken = [look, login, refresh, logout, stranger, instead, crowded];
                println!("{way}: request, login, refresh, logout, stranger, instead, crowded: {taken:?}");
                least = std::array::from_fn(|kind| least[kind].min(taken[kind]));
            }
            let [usual @ .., instead, crowded] = least;
            assert_eq!(usual, [1, 2, 2, 2, 0], "{way}: request, login, refresh, logout, stranger");
            assert!(
                instead <= 5 && crowded <= 4,
                "{way}: a login instead of another {instead}, or one too many {crowded}"
            );
        }
    });
}
