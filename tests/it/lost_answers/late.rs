//! Requests that a browser made with its old cookies and sends late, from its queue.

use jwtauth::store::LoginEffects;
use jwtauth::{EndReason, Key, Session, SessionEnd, TokenConfig, keys, require_auth};
use poem::get;
use poem::http::{HeaderMap, HeaderName};
use poem::web::Data;
use tests::in_no_time;
use tests::serve::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::*;

/// Starts a request on a connection of its own, up to the last line.
async fn begin(address: &str, path: &str, pair: &Tokens, agent: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\nCookie: {}\r\nConnection: close\r\n",
        pair.cookies()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

/// Sends the rest, and returns the answer.
async fn finish(mut socket: TcpStream) -> String {
    socket.write_all(b"\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// N-22: a browser puts its cookies on 54 requests at once and sends six at a time. The last ones come after the grace window
/// with a pair whose successor was used, and are let in. They get nothing, and a thief gets less.
#[test]
fn n_22_a_queue_of_requests_with_old_cookies_is_no_theft() {
    bounded(async {
        let app = app();
        let tab = Tab::new(&app);
        let served = serve(app.endpoint()).await;
        let address = served.url.trim_start_matches("http://");
        let old = tab.login("alice").await;
        app.clock.advance(LATER);
        let mut queue = Vec::new();
        for _ in 0..54 {
            queue.push(begin(address, "/me", &old, "Browser/1").await);
        }
        let mut thieves = Vec::new();
        for _ in 0..2 {
            thieves.push(begin(address, "/me", &old, "Thief/1").await);
        }
        let mut newest = None;
        for (number, waiting) in queue.into_iter().enumerate() {
            if number % 6 == 0 {
                app.clock.advance(Duration::from_secs(6));
            }
            let answer = finish(waiting).await;
            assert_eq!(status(&answer), "200", "request {number}: {answer}");
            let sets = answer.to_lowercase().contains("set-cookie");
            // The page has used the new cookies by the third round.
            if number == 6 {
                let next = Tokens::of(&headers(&answer));
                let used = begin(address, "/me", &next, "Browser/1").await;
                assert_eq!(status(&finish(used).await), "200");
                newest = Some(next);
            }
            assert_eq!(sets, number < 30, "request {number} is late: {answer}");
        }
        let newest = newest.unwrap();
        let used = begin(address, "/me", &newest, "Browser/1").await;
        assert_eq!(status(&finish(used).await), "200", "nothing was ended");
        // Another browser with the same cookies at the same time is somebody else.
        let stolen = finish(thieves.remove(0)).await;
        assert_eq!(status(&stolen), "401");
        assert_eq!(tab.get("/me", &newest.cookies()).await.status, 401, "theft ends the session");
    });
}

fn headers(answer: &str) -> HeaderMap {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).fold(
        HeaderMap::new(),
        |mut all, (name, value): (HeaderName, _)| {
            all.append(name, value);
            all
        },
    )
}

/// N-22: the limits of that: the explicit refresh, a refresh token alone, later than an access token lives, an access token
/// that was revoked, and a service that revokes on refresh.
#[test]
fn n_22_a_late_pair_is_good_for_a_while_and_for_a_request_only() {
    bounded(async {
        type Ask = fn(&Tokens) -> (Method, &'static str, String);
        let rows: [(&str, u64, bool, Ask, u16); 5] = [
            ("a late request", 299, false, |old| (Method::GET, "/me", old.cookies()), 200),
            ("later than that", 300, false, |old| (Method::GET, "/me", old.cookies()), 401),
            ("a refresh", 31, false, |old| (Method::POST, "/refresh", old.cookies()), 401),
            ("one token", 31, false, |old| (Method::GET, "/me", old.only_refresh()), 401),
            ("revoke_on_refresh", 31, true, |old| (Method::GET, "/me", old.cookies()), 401),
        ];
        for (row, wait, revokes, ask, want) in rows {
            let set = |builder: JwtAuthBuilder| {
                if revokes { builder.tokens(TokenConfig::default().revoke_on_refresh()) } else { builder }
            };
            let app = TestApp::with(TestStore::new(), set);
            let tab = Tab::new(&app);
            let old = tab.login("alice").await;
            app.clock.advance(LATER);
            let next = tab.get("/me", &old.cookies()).await.pair();
            assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
            app.clock.advance(Duration::from_secs(wait));
            let (method, path, cookies) = ask(&old);
            let answer = tab.send(method, path, &[("cookie", &cookies)]).await;
            let set = if want == 200 { Cookies::None } else { Cookies::Deleted };
            assert_eq!((answer.status.as_u16(), answer.cookies()), (want, set), "{row}");
        }
        // One that was revoked alone.
        let app = app();
        let tab = Tab::new(&app);
        let old = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(299));
        let id = claims(&old.access)["jti"].as_str().unwrap().parse().unwrap();
        assert!(app.jwtauth.sessions().revoke_token(old.session(), id).await.unwrap());
        app.clock.advance(Duration::from_secs(2));
        let next = tab.get("/me", &old.cookies()).await.pair();
        assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
        app.clock.advance(Duration::from_secs(31));
        let answer = tab.get("/me", &old.cookies()).await;
        // The session goes on, and the browser has newer cookies of the same names.
        assert_eq!((answer.status.as_u16(), answer.cookies()), (401, Cookies::None));
        assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
    });
}

/// N-22, R-10: the key of the old access tokens is retired at night, and the queue comes later than that key is good.
#[test]
fn n_22_r_10_a_queue_from_before_keys_were_changed_is_no_theft() {
    bounded(async {
        for agent in ["Thief/1", "Browser/1"] {
            queue_from_before_keys_were_changed(agent).await;
        }
    });
}

/// The thief has the pair and another browser, or the refresh token beside the access token of another session.
async fn queue_from_before_keys_were_changed(thief: &str) {
    let app = app();
    let tab = Tab::new(&app);
    let (old, eve) = (tab.login("alice").await, tab.login("eve").await);
    let keys = app.jwtauth.keys();
    let signed = keys.signing().kid;
    let next = Key::hmac(keys::Algorithm::HS256, b"q7#Lk29vXz!mB4nR8tYw3Ue6Pa5Sd1Fg").unwrap();
    let kid = next.kid().to_owned();
    keys.add(next).unwrap();
    keys.sign_with(&kid).unwrap();
    keys.retire(&signed).unwrap();
    // An idle browser, in the morning.
    app.clock.advance(Duration::from_secs(8 * 60 * 60));
    let get = async |pair: &Tokens, agent: &str| {
        let headers = [("cookie", &*pair.cookies()), ("user-agent", agent)];
        tab.send(Method::GET, "/me", &headers).await
    };
    let new = get(&old, "Browser/1").await.pair();
    assert_eq!(get(&new, "Browser/1").await.status, 200);
    app.clock.advance(Duration::from_secs(31));
    for _ in 0..3 {
        let late = get(&old, "Browser/1").await;
        assert_eq!((late.status.as_u16(), late.cookies()), (200, Cookies::None));
    }
    assert_eq!(get(&new, "Browser/1").await.status, 200, "nobody was thrown out");
    // The access token of another session beside it is no pair.
    let bob = tab.login("bob").await;
    let mixed = Tokens { access: bob.access, refresh: old.refresh.clone() };
    assert_eq!(get(&mixed, "Browser/1").await.status, 401);
    assert_eq!(get(&new, "Browser/1").await.status, 200);
    let stolen = match thief {
        "Browser/1" => Tokens { access: eve.access, refresh: old.refresh },
        _ => old,
    };
    assert_eq!(get(&stolen, thief).await.status, 401, "{thief}");
    assert_eq!(get(&new, "Browser/1").await.status, 401, "theft ends the session: {thief}");
}

/// N-22, N-8: the clock was ahead when the pair was spent, and was put right. How long ago that was nobody knows: the first of
/// the queue is let in all the same, for its browser alone, and not as a refresh.
#[test]
fn n_22_n_8_a_queue_from_before_the_clock_was_put_right_is_no_theft() {
    bounded(async {
        type Ask = fn(&Tokens) -> (Method, &'static str, String);
        let rows: [(&str, &str, bool, Ask, u16); 5] = [
            ("a late request", "Browser/1", false, |old| (Method::GET, "/me", old.cookies()), 200),
            ("another browser", "Thief/1", false, |old| (Method::GET, "/me", old.cookies()), 401),
            ("a refresh", "Browser/1", false, |old| (Method::POST, "/refresh", old.cookies()), 401),
            ("one token", "Browser/1", false, |old| (Method::GET, "/me", old.only_refresh()), 401),
            ("revoke_on_refresh", "Browser/1", true, |old| (Method::GET, "/me", old.cookies()), 401),
        ];
        for (row, agent, revokes, ask, want) in rows {
            let set = |builder: JwtAuthBuilder| {
                if revokes { builder.tokens(TokenConfig::default().revoke_on_refresh()) } else { builder }
            };
            let store = Faulty::default();
            let app = TestApp::with(store.clone(), set);
            let tab = Tab::new(&app);
            let send = async |tab: &Tab, (method, path, cookies): (Method, &str, String), agent: &str| {
                tab.send(method, path, &[("cookie", &*cookies), ("user-agent", agent)]).await
            };
            let get = |pair: &Tokens| (Method::GET, "/me", pair.cookies());
            let old = tab.login("alice").await;
            app.clock.advance(LATER);
            let next = send(&tab, get(&old), "Browser/1").await.pair();
            assert_eq!(send(&tab, get(&next), "Browser/1").await.status, 200);
            let mut record = Session::clone(&*store.inner.load(old.session()).await.unwrap().unwrap());
            record.rotated_at += 1_000;
            let store = Faulty::default();
            store.insert(record, LoginEffects::default()).await.unwrap();
            let app = TestApp::with(store, set);
            let tab = Tab::new(&app);
            app.clock.advance(LATER);
            let answer = send(&tab, ask(&old), agent).await;
            assert_eq!((answer.status.as_u16(), answer.cookies()), (want, Cookies::None), "{row}");
            assert_eq!(send(&tab, get(&next), "Browser/1").await.status, 200, "{row}: nothing was ended");
        }
    });
}

/// N-22: what a late request opens ends when its pair is good no more. What the newest pair opens goes on.
#[test]
fn n_22_what_a_late_request_opens_does_not_last_longer() {
    #[require_auth]
    async fn hold(end: SessionEnd, Data(held): Data<&UnboundedSender<SessionEnd>>) {
        held.send(end).unwrap();
    }
    in_no_time(|| async {
        let app = app();
        let (held, mut holds) = unbounded_channel::<SessionEnd>();
        let routes = Route::new().at("/hold", get(hold)).data(held);
        let (tab, client) = (Tab::new(&app), TestClient::new(routes.with(app.jwtauth.clone())));
        let moment = Duration::from_millis(500);
        let old = tab.login("alice").await;
        app.clock.advance(LATER);
        let next = tab.get("/me", &old.cookies()).await.pair();
        assert_eq!(tab.get("/me", &next.cookies()).await.status, 200);
        app.clock.advance(Duration::from_secs(31));
        let mut ends = Vec::new();
        for pair in [&old, &next] {
            client.get("/hold").header("cookie", pair.cookies()).send().await.assert_status_is_ok();
            ends.push(holds.recv().await.unwrap());
        }
        for (wait, late) in [(268, None), (1, Some(EndReason::Expired))] {
            app.clock.advance(Duration::from_secs(wait));
            assert_eq!(timeout(moment, ends[0].wait()).await.ok(), late);
            assert_eq!(timeout(moment, ends[1].wait()).await.ok(), None);
        }
    });
}
