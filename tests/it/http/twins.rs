//! Several cookies of one name: what a browser sends after the form of the cookies was changed.

use std::time::Duration;

use tests::faulty::{Fault, Faulty};
use tests::tab::Tab;

use super::*;

pub(super) type Set = fn(CookieConfig) -> CookieConfig;

/// A cookie as a browser keeps it: one for each name, domain, path, and whether it is partitioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) form: (String, Option<String>, String, bool),
    pub(super) value: String,
}

/// What a browser keeps for `app.example.com`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Jar(pub(super) Vec<Kept>);

impl Jar {
    fn take(&mut self, headers: &HeaderMap) {
        for line in set_cookies(headers) {
            let mut parts = line.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<_> = parts.collect();
            let of = |name: &str| attributes.iter().find_map(|it| it.strip_prefix(name)).map(str::to_owned);
            let (domain, path) = (of("Domain="), of("Path=").unwrap());
            if domain.as_ref().is_some_and(|domain| !"app.example.com".ends_with(&**domain)) {
                continue;
            }
            let form = (name.to_owned(), domain, path, attributes.contains(&"Partitioned"));
            self.0.retain(|kept| kept.form != form);
            if of("Max-Age=").unwrap() != "0" {
                self.0.push(Kept { form, value: value.to_owned() });
            }
        }
    }

    /// The header of a request to a path, the newest first or last.
    fn header(&self, path: &str, newest_first: bool) -> String {
        let sent = self.0.iter().filter(|kept| path.starts_with(&kept.form.2));
        let mut sent: Vec<_> = sent.map(|kept| format!("{}={}", kept.form.0, kept.value)).collect();
        if newest_first {
            sent.reverse();
        }
        sent.join("; ")
    }
}

/// A browser, and the service in its form of today.
pub(super) struct Visit {
    app: TestApp,
    pub(super) tab: Tab,
    pub(super) jar: Jar,
    newest_first: bool,
}

impl Visit {
    pub(super) fn new(store: &Faulty, jar: Jar, set: Set, newest_first: bool) -> Self {
        let app = TestApp::with(store.clone(), |builder| builder.cookies(set(CookieConfig::default())));
        Self { tab: Tab::new(&app), app, jar, newest_first }
    }

    /// The same browser, and the service in another form.
    pub(super) fn later(self, store: &Faulty, set: Set) -> Self {
        let now = self.app.jwtauth.sessions().now();
        let visit = Self::new(store, self.jar, set, self.newest_first);
        visit.app.clock.set(now);
        visit
    }

    pub(super) async fn send(&mut self, method: Method, path: &str) -> u16 {
        let cookies = self.jar.header(path, self.newest_first);
        let headers = [("cookie", &*cookies), ("host", "app.example.com")];
        let answer = self.tab.send(method, path, &headers).await;
        self.jar.take(&answer.headers);
        answer.status.as_u16()
    }

    pub(super) async fn get(&mut self, path: &str) -> u16 {
        self.send(Method::GET, path).await
    }

    pub(super) async fn post(&mut self, path: &str) -> u16 {
        self.send(Method::POST, path).await
    }

    pub(super) async fn login(&mut self, name: &str) -> u16 {
        let cookies = self.jar.header("/login", self.newest_first);
        let headers = [("cookie", &*cookies), ("host", "app.example.com")];
        let answer = self.tab.login_from(name, &headers).await;
        self.jar.take(&answer.headers);
        answer.status.as_u16()
    }

    pub(super) async fn live(&self, name: &str) -> usize {
        self.app.jwtauth.sessions().list(name).await.unwrap().len()
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.app.clock.advance(Duration::from_secs(seconds));
    }
}

/// Forms before and after a change of the settings, with names that both may have.
const CHANGES: [(&str, Set, Set); 6] = [
    ("partitioned", |c| c, CookieConfig::partitioned),
    ("not partitioned", CookieConfig::partitioned, |c| c),
    (
        "domain",
        |c| c.names("__Secure-a", "__Secure-r"),
        |c| c.names("__Secure-a", "__Secure-r").domain("example.com"),
    ),
    (
        "no domain",
        |c| c.names("__Secure-a", "__Secure-r").domain("example.com"),
        |c| c.names("__Secure-a", "__Secure-r"),
    ),
    ("another domain", |c| c.domain("example.com"), |c| c.domain("app.example.com")),
    ("path", |c| c.names("a", "r").path("/me"), |c| c.names("a", "r")),
];

/// N-4: whoever is logged in when the form changes stays so, and soon keeps one pair.
#[test]
fn n_4_a_change_of_the_form_logs_nobody_out() {
    bounded(async {
        for (change, before, after) in CHANGES {
            for newest_first in [true, false] {
                for way in ["silent", "login"] {
                    let store = Faulty::default();
                    let mut visit = Visit::new(&store, Jar::default(), before, newest_first);
                    assert_eq!(visit.login("alice").await, 200);
                    let case = format!("{change}, {way}, {newest_first}");
                    let mut visit = visit.later(&store, after);
                    assert_eq!(visit.get("/me").await, 200, "{case}: the old form");
                    if way == "login" {
                        // Of another path the login sees nothing.
                        assert_eq!(visit.login("alice").await, 200, "{case}");
                    } else {
                        visit.wait(300);
                        assert_eq!(visit.get("/me").await, 200, "{case}: refreshed");
                    }
                    assert_eq!(visit.jar.0.len(), 4, "{case}: twins");
                    if change == "path" && way == "login" {
                        // Both are live: a conflict, until the browser logs in where both are sent.
                        assert_eq!(visit.get("/me").await, 401, "{case}");
                        continue;
                    }
                    assert_eq!(visit.get("/me").await, 200, "{case}: healed");
                    assert_eq!(visit.jar.0.len(), 2, "{case}: {:?}", visit.jar);
                    let jar = visit.jar.clone();
                    assert_eq!(visit.get("/me").await, 200, "{case}");
                    assert_eq!(visit.jar, jar, "{case}: nothing more is set");
                    // No token was taken for a stolen one.
                    for _ in 0..3 {
                        visit.wait(300);
                        assert_eq!(visit.get("/me").await, 200, "{case}");
                        assert_eq!((visit.jar.0.len(), visit.live("alice").await), (2, 1), "{case}");
                    }
                    assert_eq!(visit.post("/logout").await, 200, "{case}");
                    assert_eq!((visit.jar.0.len(), visit.live("alice").await), (0, 0), "{case}");
                }
            }
        }
    });
}

/// A browser with two pairs of live sessions, one in each form.
async fn with_two_live(store: &Faulty, names: [&str; 2], newest_first: bool) -> Visit {
    let mut old = Visit::new(store, Jar::default(), |c| c, newest_first);
    old.login(names[0]).await;
    let mut new = Visit::new(store, Jar::default(), CookieConfig::partitioned, newest_first);
    new.login(names[1]).await;
    new.jar.0.extend(old.jar.0);
    new
}

/// N-4, H-4: two live sessions are a conflict, and a login, a logout and a logout everywhere put it right.
#[test]
fn n_4_h_4_a_login_and_a_logout_heal_a_browser_with_two_live_sessions() {
    bounded(async {
        for newest_first in [true, false] {
            for names in [["alice", "alice"], ["alice", "bob"]] {
                for way in ["login", "logout", "logout_all"] {
                    let store = Faulty::default();
                    let mut visit = with_two_live(&store, names, newest_first).await;
                    let jar = visit.jar.clone();
                    for (method, path) in [
                        (Method::GET, "/me"),
                        (Method::GET, "/hello"),
                        (Method::GET, "/plain"),
                        (Method::POST, "/refresh"),
                        (Method::POST, "/logout/others"),
                    ] {
                        assert_eq!(visit.send(method, path).await, 401, "{path}");
                        assert_eq!(visit.jar, jar, "{path}: nothing is set or deleted");
                    }
                    let is_one = names[0] == names[1];
                    assert_eq!(visit.live("alice").await + visit.live("bob").await, 2);
                    match way {
                        "login" => {
                            assert_eq!(visit.login("carol").await, 200);
                            assert_eq!(visit.get("/me").await, 200);
                            assert_eq!((visit.jar.0.len(), visit.live("carol").await), (2, 1));
                        }
                        "logout" => {
                            assert_eq!(visit.post("/logout").await, 200);
                            assert_eq!(visit.jar, Jar::default());
                        }
                        // Whose sessions are meant is clear only if both are of one user.
                        _ if is_one => {
                            assert_eq!(visit.post("/logout/all").await, 200);
                            assert_eq!(visit.jar, Jar::default());
                        }
                        _ => {
                            assert_eq!(visit.post("/logout/all").await, 401);
                            assert_eq!(visit.live("alice").await + visit.live("bob").await, 2);
                            continue;
                        }
                    }
                    assert_eq!(
                        visit.live("alice").await + visit.live("bob").await,
                        0,
                        "{way}: both are ended"
                    );
                }
            }
        }
    });
}

/// N-4: beside a token of a live session, any other value counts for nothing, in any order.
#[test]
fn n_4_the_token_of_the_live_session_counts() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let (alice, over) = (tab.login("alice").await, tab.login("bob").await);
        app.jwtauth.sessions().revoke(over.session()).await.unwrap();
        let forged = &alice.access[..alice.access.len() - 4];
        for other in ["", "garbage", "a.b.c", forged, &over.access, &over.refresh, &alice.refresh, "\u{e9}"] {
            for cookies in [
                format!("{ACCESS}={}; {ACCESS}={other}", alice.access),
                format!("{ACCESS}={other}; {ACCESS}={}; {REFRESH}={}", alice.access, alice.refresh),
                format!("{ACCESS}={other}; {ACCESS}=1; {ACCESS}=2; {}", alice.only_access()),
            ] {
                let answer = tab.get("/me", &cookies).await;
                assert_eq!(answer.status, 200, "{other}: {}", answer.body);
                // The same token again, in the form of today; nothing is issued.
                let lines = set_cookies(&answer.headers);
                assert_eq!(lines.len(), 2, "{lines:?}");
                assert!(lines[0].starts_with(&format!("{ACCESS}=;")) && lines[0].ends_with("; Partitioned"));
                assert!(lines[1].starts_with(&format!("{ACCESS}={};", alice.access)), "{lines:?}");
                assert!(lines[1].contains("; Max-Age=86400;"), "{lines:?}");
            }
        }
        for other in ["", "garbage", &over.refresh, &alice.access] {
            let cookies = format!("{REFRESH}={other}; {}", alice.only_refresh());
            app.clock.advance(Duration::from_secs(1));
            let renewed = tab.post("/refresh", &cookies).await;
            assert_eq!(renewed.status, 200, "{other}: {}", renewed.body);
            app.clock.advance(Duration::from_secs(1));
            assert_eq!(tab.get("/hello", &cookies).await.body, "alice", "{other}");
        }
        // Nobody's: they are deleted if a session has ended, and kept if there never was one.
        for (cookies, lines) in [
            (format!("{ACCESS}={}; {ACCESS}=x", over.access), 3),
            (format!("{ACCESS}={}; {}; {REFRESH}=x", over.access, over.only_refresh()), 3),
            (format!("{ACCESS}=y; {ACCESS}=x; {REFRESH}=y; {REFRESH}=x"), 0),
        ] {
            let answer = tab.get("/me", &cookies).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "token_not_valid"));
            assert_eq!(set_cookies(&answer.headers).len(), lines, "{cookies}");
            assert_eq!(tab.get("/hello", &cookies).await.body, "nobody");
        }
    });
}

/// N-4: of two access tokens of one session the newest counts, unless it was revoked alone.
#[test]
fn n_4_a_token_that_was_revoked_alone_does_not_count() {
    bounded(async {
        let app = TestApp::new();
        let (tab, sessions) = (Tab::new(&app), app.jwtauth.sessions());
        let first = tab.login("alice").await;
        app.clock.advance(Duration::from_secs(1));
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        let newest = sessions.list("alice").await.unwrap().remove(0);
        assert!(sessions.revoke_token(newest.id, newest.access_id).await.unwrap());
        for cookies in [[&first.access, &second.access], [&second.access, &first.access]] {
            let cookies = cookies.map(|access| format!("{ACCESS}={access}")).join("; ");
            assert_eq!(tab.get("/me", &cookies).await.status, 200);
        }
    });
}

/// N-4: only so many values are looked at. More are no reason to say that all was ended.
#[test]
fn n_4_h_3_a_bounded_number_of_values_is_looked_at() {
    bounded(async {
        for others in [3, 4, 600] {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let alice = tab.login("alice").await;
            let noise: String = (0..others).map(|n| format!("{ACCESS}=x{n}; ")).collect();
            let (first, last) = (format!("{}; {noise}", alice.only_access()), noise + &alice.only_access());
            let fits = others < 4;
            for cookies in [&first, &last] {
                let status = tab.get("/me", cookies).await.status;
                assert_eq!(status, if fits { 200 } else { 401 }, "{others}");
                assert_eq!(tab.login_with("bob", &format!("{ACCESS}=y; {ACCESS}=z")).await.status, 200);
            }
            // What is looked at is ended all the same.
            let logout = tab.post("/logout", &first).await;
            assert_eq!(logout.status, if fits { 200 } else { 401 }, "{others}");
            assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 0, "{others}");
            let again = tab.login_with("alice", &last).await;
            assert_eq!(again.status, 200, "{others}: a login is never refused for it");
        }
    });
}

/// N-4, R-5: what the store does not say is not guessed.
#[test]
fn n_4_r_5_an_outage_is_503() {
    bounded(async {
        let store = Faulty::default();
        let mut visit = with_two_live(&store, ["alice", "alice"], true).await;
        let jar = visit.jar.clone();
        for (reads, changes, paths) in [
            (Fault::Error, Fault::None, &["/me", "/hello", "/refresh", "/logout", "/logout/all"][..]),
            (Fault::None, Fault::Error, &["/logout", "/logout/all"]),
        ] {
            store.set(reads, changes);
            for path in paths {
                let is_read = ["/me", "/hello"].contains(path);
                let method = if is_read { Method::GET } else { Method::POST };
                assert_eq!(visit.send(method, path).await, 503, "{path}");
                assert_eq!(visit.jar, jar, "{path}");
            }
            assert_eq!(visit.login("alice").await, 503);
        }
        store.set(Fault::None, Fault::None);
        assert_eq!(visit.live("alice").await, 2);
    });
}

/// N-4: a slow answer sends nothing again that a newer answer has replaced or ended.
#[test]
fn n_4_a_slow_answer_brings_no_old_cookie_back() {
    bounded(async {
        for way in ["refresh", "logout", "nothing"] {
            let app = TestApp::new();
            let tab = std::sync::Arc::new(Tab::new(&app));
            let alice = tab.login("alice").await;
            let cookies = format!("{ACCESS}=x; {REFRESH}=x; {}", alice.cookies());
            let slow = tokio::spawn({
                let (tab, cookies) = (std::sync::Arc::clone(&tab), cookies.clone());
                async move { tab.get("/slow", &cookies).await }
            });
            while app.started.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            if way != "nothing" {
                assert_eq!(tab.post(&format!("/{way}"), &cookies).await.status, 200);
            }
            app.gate.add_permits(1);
            let answer = slow.await.unwrap();
            let lines = if way == "nothing" { 4 } else { 0 };
            assert_eq!((answer.status.as_u16(), set_cookies(&answer.headers).len()), (200, lines), "{way}");
        }
    });
}
