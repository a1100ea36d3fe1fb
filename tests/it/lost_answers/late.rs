//! Requests that a browser made with its old cookies and sends late, from its queue.

use jwtauth::{Key, TokenConfig, keys};
use poem::http::{HeaderMap, HeaderName};
use tests::serve::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
        let app = app();
        let tab = Tab::new(&app);
        let old = tab.login("alice").await;
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
        assert_eq!(get(&old, "Thief/1").await.status, 401);
        assert_eq!(get(&new, "Browser/1").await.status, 401, "theft ends the session");
    });
}
