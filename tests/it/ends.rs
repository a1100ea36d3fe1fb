//! The end of a session reaches those who wait for it: each way to end, and nothing else.
//!
//! Time is tokio's, which stands still and jumps to the next timer when all wait. So "at once" means at
//! exactly the same instant, and 30 s cost nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use jwtauth::{
    Clock, Ended, JwtAuth, MemoryStore, Reason, Revocation, SessionEnd, SessionId, SessionStore, SledStore,
    require_auth,
};
use poem::test::TestClient;
use poem::web::Data;
use poem::{EndpointExt, Route, get};
use tests::app::{SECRET, START, TestApp, User};
use tests::faulty::{Fault, Faulty, LATE};
use tests::tab::Tab;
use tests::wire::Tokens;
use tests::{bounded, in_no_time};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it takes at most until an end is seen that nobody told of.
const BOUND: Duration = Duration::from_secs(30);

/// An app on a store whose reads are counted.
struct Site {
    app: TestApp,
    store: Faulty,
    tab: Tab,
}

impl Site {
    fn new() -> Self {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder.max_sessions(1_000));
        let tab = Tab::new(&app);
        Self { app, store, tab }
    }

    fn end_of(&self, tokens: &Tokens) -> SessionEnd {
        self.app.jwtauth.sessions().end_of(tokens.session())
    }

    /// Starts to wait for the end of a session, and returns when it is waited for.
    async fn wait(&self, tokens: &Tokens) -> Waiter {
        Waiter::start(self.end_of(tokens)).await
    }
}

/// Waits in a task of its own.
struct Waiter(JoinHandle<(Ended, Instant)>);

impl Waiter {
    async fn start(end: SessionEnd) -> Self {
        let task = tokio::spawn(async move { (end.wait().await, Instant::now()) });
        settle().await;
        Self(task)
    }

    async fn is_waiting(&self) -> bool {
        settle().await;
        !self.0.is_finished()
    }

    /// Returns how the session ended, and how long after `since` that was seen.
    async fn ended(self, since: Instant) -> (Ended, Duration) {
        let (ended, at) = self.0.await.unwrap();
        (ended, at - since)
    }

    async fn at_once(self) -> Ended {
        let now = Instant::now();
        let (ended, after) = self.ended(now).await;
        assert_eq!(after, Duration::ZERO, "{ended:?}");
        ended
    }
}

/// Lets all tasks do what they can: time passes only when none can do anything.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[test]
fn every_way_to_end_a_session_reaches_who_waits_for_it_at_once() {
    in_no_time(|| async {
        for (way, expected) in [
            ("logout", Ended::Revoked(Reason::Logout)),
            ("logout by bearer", Ended::Revoked(Reason::Logout)),
            ("logout all", Ended::Revoked(Reason::LogoutAll)),
            ("logout others", Ended::Revoked(Reason::Ended)),
            ("revoke", Ended::Revoked(Reason::Ended)),
            ("revoke all", Ended::Revoked(Reason::LogoutAll)),
            ("revoke others", Ended::Revoked(Reason::Ended)),
            ("login", Ended::Revoked(Reason::Replaced)),
            ("login as another", Ended::Revoked(Reason::Replaced)),
            ("reuse", Ended::Revoked(Reason::Reused)),
            ("reuse in a guarded handler", Ended::Revoked(Reason::Reused)),
        ] {
            let site = Site::new();
            let (tab, sessions) = (&site.tab, site.app.jwtauth.sessions());
            let old = tab.login("alice").await;
            let alice = tab.post("/refresh", &old.cookies()).await.pair();
            let (elsewhere, bob) = (tab.login("alice").await, tab.login("bob").await);
            let waiter = site.wait(&alice).await;
            let others = [site.wait(&bob).await, site.wait(&elsewhere).await];
            match way {
                "logout" => drop(tab.post("/logout", &alice.cookies()).await),
                "logout by bearer" => {
                    let bearer = [("authorization", &*alice.bearer())];
                    tab.send(poem::http::Method::POST, "/logout", &bearer).await;
                }
                "logout all" => drop(tab.post("/logout/all", &alice.cookies()).await),
                "logout others" => drop(tab.post("/logout/others", &elsewhere.cookies()).await),
                "revoke" => assert!(sessions.revoke(alice.session()).await.unwrap()),
                "revoke all" => drop(sessions.revoke_all("alice").await.unwrap()),
                "revoke others" => drop(sessions.revoke_others("alice", elsewhere.session()).await.unwrap()),
                "login" => drop(tab.login_with("alice", &alice.cookies()).await),
                "login as another" => drop(tab.login_with("bob", &alice.only_refresh()).await),
                "reuse" | "reuse in a guarded handler" => {
                    site.app.clock.advance(31 * SECOND);
                    let path = if way == "reuse" { "/refresh" } else { "/admin" };
                    assert_eq!(tab.post(path, &old.only_refresh()).await.status, 401);
                }
                _ => unreachable!("{way}"),
            }
            assert_eq!(waiter.at_once().await, expected, "{way}");
            let is_all = way.ends_with("all");
            assert!(others[0].is_waiting().await, "{way}: another user's");
            assert_eq!(others[1].is_waiting().await, !is_all, "{way}: the user's other one");
            let end = site.end_of(&alice);
            assert_eq!((end.wait().await, end.wait().await), (expected, expected), "{way}: asked again");
        }
    });
}

/// The extractor is about the caller's session; it is owned, and outlives its request.
#[test]
fn a_handler_gets_the_end_of_its_callers_session() {
    #[require_auth]
    async fn hold(end: SessionEnd, Data(held): Data<&UnboundedSender<SessionEnd>>) {
        held.send(end).unwrap();
    }
    #[require_auth(optional)]
    async fn ask(end: Option<SessionEnd>) -> String {
        end.is_some().to_string()
    }
    #[poem::handler]
    async fn alone(_end: SessionEnd) {}
    fn is_owned<T: Clone + Send + Sync + 'static>(_: &T) {}

    in_no_time(|| async {
        let site = Site::new();
        let (held, mut holds) = unbounded_channel();
        let routes = Route::new().at("/hold", get(hold)).at("/ask", get(ask)).at("/alone", get(alone));
        let client = TestClient::new(routes.data(held).with(site.app.jwtauth.clone()));
        let alice = site.tab.login("alice").await;
        for path in ["/hold", "/alone"] {
            client.get(path).send().await.assert_status(poem::http::StatusCode::UNAUTHORIZED);
        }
        client.get("/ask").send().await.assert_text("false").await;
        client.get("/ask").header("cookie", alice.cookies()).send().await.assert_text("true").await;
        client.get("/alone").header("cookie", alice.cookies()).send().await.assert_status_is_ok();
        client.get("/hold").header("cookie", alice.cookies()).send().await.assert_status_is_ok();
        let end = holds.recv().await.unwrap();
        is_owned(&end);
        let before = site.store.loads();
        let waiter = Waiter::start(end).await;
        assert_eq!(site.store.loads() - before, 1, "whose it is was known");
        site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        assert_eq!(waiter.at_once().await, Ended::Revoked(Reason::LogoutAll));
    });
}

#[test]
fn a_rotation_and_a_new_user_copy_disturb_nobody() {
    in_no_time(|| async {
        let site = Site::new();
        let mut tokens = site.tab.login("alice").await;
        let waiter = site.wait(&tokens).await;
        for path in ["/refresh", "/admin"] {
            site.app.clock.advance(400 * SECOND);
            tokens = site.tab.post(path, &tokens.only_refresh()).await.pair();
        }
        site.app.jwtauth.sessions().update_user(&User::named("alice")).await.unwrap();
        site.tab.post("/logout/others", &tokens.cookies()).await;
        let before = site.store.loads();
        assert!(waiter.is_waiting().await);
        assert_eq!(site.store.loads(), before, "nobody has looked");
        sleep(100 * BOUND).await;
        assert!(waiter.is_waiting().await);
        let looks = site.store.loads() - before;
        assert!((90..=101).contains(&looks), "one look each 30 s: {looks}");
        site.tab.post("/logout", &tokens.cookies()).await;
        assert_eq!(waiter.at_once().await, Ended::Revoked(Reason::Logout));
    });
}

/// A clock that passes with tokio's.
#[derive(Debug)]
struct Passing(Instant);

impl Clock for Passing {
    fn now(&self) -> u64 {
        START + self.0.elapsed().as_secs()
    }
}

#[test]
fn the_limits_end_the_wait_and_a_rotation_moves_the_idle_one() {
    in_no_time(|| async {
        let start = Instant::now();
        let app = TestApp::with(MemoryStore::new(), |builder| {
            builder.clock(Passing(start)).refresh_ttl(DAY).absolute_ttl(3 * DAY)
        });
        let tab = Tab::new(&app);
        let wait = async |tokens: &Tokens| {
            let end = app.jwtauth.sessions().end_of(tokens.session());
            Waiter::start(end).await
        };
        let [idle, once, mut busy] =
            [tab.login("alice").await, tab.login("alice").await, tab.login("alice").await];
        // So that no look falls on a limit by chance.
        sleep(17 * SECOND).await;
        let [ended_idle, ended_once, ended_busy] = [wait(&idle).await, wait(&once).await, wait(&busy).await];
        for round in 1..6 {
            sleep(DAY / 2 + SECOND / 2).await;
            busy = tab.post("/refresh", &busy.only_refresh()).await.pair();
            if round == 1 {
                drop(tab.post("/refresh", &once.only_refresh()).await.pair());
            }
        }
        for (waiter, limit) in
            [(ended_idle, DAY), (ended_once, 17 * SECOND + 3 * DAY / 2), (ended_busy, 3 * DAY)]
        {
            let (ended, after) = waiter.ended(start).await;
            assert_eq!(ended, Ended::Expired);
            assert!((limit..limit + SECOND).contains(&after), "{after:?} for {limit:?}");
        }
    });
}

#[test]
fn an_end_that_nobody_told_of_is_seen_within_30_seconds() {
    in_no_time(|| async {
        for way in ["another process", "a clock that was set", "swept", "lost"] {
            let site = Site::new();
            let tokens = site.tab.login("alice").await;
            let waiter = site.wait(&tokens).await;
            sleep(17 * SECOND).await;
            let now = Instant::now();
            let expected = match way {
                "another process" => {
                    let revocation = Revocation { at: START, reason: Reason::Logout };
                    site.store.inner.revoke(tokens.session(), revocation).await.unwrap();
                    Ended::Revoked(Reason::Logout)
                }
                "a clock that was set" => {
                    site.app.clock.advance(DAY);
                    Ended::Expired
                }
                "swept" => {
                    site.app.clock.advance(DAY);
                    assert_eq!(site.app.jwtauth.sessions().sweep().await.unwrap(), 1);
                    Ended::Expired
                }
                _ => {
                    site.store.inner.sweep(u64::MAX, 10).await.unwrap();
                    Ended::Expired
                }
            };
            let (ended, after) = waiter.ended(now).await;
            assert_eq!(ended, expected, "{way}");
            assert!(after <= BOUND, "{way}: {after:?}");
        }
        let site = Site::new();
        let nobody = SessionId::from_bytes([7; 16]);
        assert_eq!(site.app.jwtauth.sessions().end_of(nobody).wait().await, Ended::Expired);
    });
}

#[test]
fn an_outage_ends_nothing_and_hides_no_end() {
    in_no_time(|| async {
        for fault in [Fault::Error, Fault::Hang] {
            let site = Site::new();
            let tokens = site.tab.login("alice").await;
            let waiter = site.wait(&tokens).await;
            site.store.set(fault, Fault::None);
            let late = site.wait(&tokens).await;
            sleep(10 * BOUND).await;
            assert!(waiter.is_waiting().await && late.is_waiting().await, "{fault:?}");
            let before = site.store.loads();
            site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
            sleep(10 * BOUND).await;
            assert!(waiter.is_waiting().await && late.is_waiting().await, "{fault:?}");
            let looks = site.store.loads() - before;
            assert!((20..=400).contains(&looks), "soon, and not like mad: {looks} looks in 300 s by two");
            site.store.set(Fault::None, Fault::None);
            let now = Instant::now();
            for waiter in [waiter, late] {
                let (ended, after) = waiter.ended(now).await;
                assert_eq!(ended, Ended::Revoked(Reason::LogoutAll), "{fault:?}");
                assert!(after <= 15 * SECOND, "{fault:?}: {after:?}");
            }
        }
    });
}

#[test]
fn a_change_that_failed_wakes_too_and_ends_what_it_ended() {
    in_no_time(|| async {
        for way in ["revoke", "revoke all", "revoke others", "login", "reuse"] {
            for fault in [Fault::Error, Fault::ErrorButDone, Fault::Hang] {
                let site = Site::new();
                let (tab, sessions) = (&site.tab, site.app.jwtauth.sessions());
                let old = tab.login("alice").await;
                let alice = tab.post("/refresh", &old.cookies()).await.pair();
                site.app.clock.advance(31 * SECOND);
                let waiter = site.wait(&alice).await;
                site.store.set(Fault::None, fault);
                match way {
                    "revoke" => drop(sessions.revoke(alice.session()).await.unwrap_err()),
                    "revoke all" => drop(sessions.revoke_all("alice").await.unwrap_err()),
                    "revoke others" => {
                        drop(
                            sessions
                                .revoke_others("alice", SessionId::from_bytes([7; 16]))
                                .await
                                .unwrap_err(),
                        );
                    }
                    "login" => assert_eq!(tab.login_with("bob", &alice.cookies()).await.status, 503),
                    _ => assert_eq!(tab.post("/refresh", &old.only_refresh()).await.status, 503),
                }
                if fault == Fault::ErrorButDone {
                    assert!(matches!(waiter.at_once().await, Ended::Revoked(_)), "{way}");
                    continue;
                }
                let before = site.store.loads();
                sleep(2 * BOUND).await;
                assert!(waiter.is_waiting().await, "{way}, {fault:?}");
                let looks = site.store.loads() - before;
                assert!((5..=11).contains(&looks), "{way}, {fault:?}: {looks} looks");
                // The store does it at last, and nobody is there to say so.
                let revocation = Revocation { at: START, reason: Reason::Ended };
                site.store.inner.revoke(alice.session(), revocation).await.unwrap();
                let (_, after) = waiter.ended(Instant::now()).await;
                assert!(after <= BOUND, "{way}, {fault:?}: {after:?}");
            }
        }
    });
}

/// A logout whose client went away may be made all the same, and nobody is there to tell when.
#[test]
fn a_change_that_was_given_up_is_seen_soon_after_it_was_made() {
    in_no_time(|| async {
        for (path, expected) in [("/logout", Reason::Logout), ("/logout/all", Reason::LogoutAll)] {
            let site = Site::new();
            let alice = site.tab.login("alice").await;
            let waiter = site.wait(&alice).await;
            site.store.set(Fault::None, Fault::Late);
            let cookies = alice.cookies();
            assert!(timeout(LATE / 2, site.tab.post(path, &cookies)).await.is_err());
            assert!(waiter.is_waiting().await);
            let (ended, after) = waiter.ended(Instant::now()).await;
            assert_eq!(ended, Ended::Revoked(expected));
            assert!(after < 2 * LATE, "{path}: {after:?}");
        }
    });
}

#[test]
fn the_embedded_store_makes_a_change_that_was_given_up() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let tab = Tab::new(&app);
        let mut given_up = 0;
        for _ in 0..20 {
            let alice = tab.login("alice").await;
            let end = app.jwtauth.sessions().end_of(alice.session());
            let mut wait = pin!(end.wait());
            assert!(poll!(&mut wait).is_pending());
            {
                let cookies = alice.cookies();
                // Seldom the disk is faster than this.
                given_up += usize::from(poll!(pin!(tab.post("/logout", &cookies))).is_pending());
            }
            let ended = timeout(10 * SECOND, wait).await.expect("sooner than in 30 s");
            assert_eq!(ended, Ended::Revoked(Reason::Logout));
        }
        assert!(given_up > 0);
    });
}

/// A look that began before the end and came back after it found nothing; the wake-up in between counts.
#[test]
fn an_end_during_a_look_is_seen_with_the_next_one() {
    in_no_time(|| async {
        let site = Site::new();
        let alice = site.tab.login("alice").await;
        site.store.set(Fault::Slow, Fault::None);
        let waiter = site.wait(&alice).await;
        // The first look learns the subject, the second is under way.
        sleep(LATE + LATE / 2).await;
        site.app.jwtauth.sessions().revoke_all("alice").await.unwrap();
        let (ended, after) = waiter.ended(Instant::now()).await;
        assert_eq!(ended, Ended::Revoked(Reason::LogoutAll));
        assert!(after < 2 * LATE, "{after:?}");
    });
}

#[test]
fn the_library_can_be_dropped_by_those_who_wait() {
    in_no_time(|| async {
        let Site { app, store, tab } = Site::new();
        let alice = tab.login("alice").await;
        let end = app.jwtauth.sessions().end_of(alice.session());
        let waiter = Waiter::start(end.clone()).await;
        let inner = Arc::downgrade(&store.inner);
        drop(store);
        drop(tab);
        assert!(waiter.is_waiting().await);
        drop(app);
        assert_eq!(inner.strong_count(), 0, "the store is closed");
        assert_eq!(waiter.at_once().await, Ended::Closed);
        assert_eq!(end.wait().await, Ended::Closed);
    });
}

/// Those who have stopped waiting are not there any more: nothing looks at their sessions.
#[test]
fn who_gave_up_waiting_leaves_nothing_behind() {
    in_no_time(|| async {
        let site = Site::new();
        let (alice, bob) = (site.tab.login("alice").await, site.tab.login("bob").await);
        let (end, stays) = (site.end_of(&alice), site.wait(&bob).await);
        for _ in 0..3 {
            assert!(timeout(SECOND, end.wait()).await.is_err());
        }
        let given_up: Vec<_> =
            join_all((0..10).map(|_| Waiter::start(end.clone()))).await.into_iter().collect();
        let last = site.wait(&alice).await;
        for waiter in &given_up {
            waiter.0.abort();
        }
        settle().await;
        assert!(last.is_waiting().await, "one who stays is not forgotten with the others");
        let before = site.store.loads();
        site.app.jwtauth.sessions().revoke(alice.session()).await.unwrap();
        assert_eq!(last.at_once().await, Ended::Revoked(Reason::Ended));
        assert_eq!(site.store.loads() - before, 1, "one waits, so one looks");
        assert!(stays.is_waiting().await);
    });
}

#[test]
fn many_wait_and_only_those_who_are_meant_look() {
    const SESSIONS: usize = 1_000;
    in_no_time(|| async {
        let site = Site::new();
        let bystander = site.tab.login("bob").await;
        let mut waiters = Vec::new();
        let mut all = Vec::new();
        for _ in 0..SESSIONS {
            let tokens = site.tab.login("alice").await;
            let end = site.end_of(&tokens);
            waiters.extend([end.clone(), end].map(|end| tokio::spawn(async move { end.wait().await })));
            all.push(tokens.session());
        }
        let others: Vec<_> = (0..SESSIONS)
            .map(|_| {
                let end = site.end_of(&bystander);
                tokio::spawn(async move { end.wait().await })
            })
            .collect();
        settle().await;
        let before = site.store.loads();
        let ended = site.app.jwtauth.sessions().revoke_others("alice", all[0]).await.unwrap();
        assert_eq!(ended, SESSIONS - 1);
        let now = Instant::now();
        for waiter in waiters.drain(2..) {
            assert_eq!(waiter.await.unwrap(), Ended::Revoked(Reason::Ended));
        }
        assert_eq!(now.elapsed(), Duration::ZERO);
        assert_eq!(site.store.loads() - before, 2 * (SESSIONS - 1), "each who was meant has looked once");
        assert!(!waiters.iter().chain(&others).any(JoinHandle::is_finished));
    });
}

/// Waits begin and sessions end at the same moment, on two threads: no end falls in between.
#[test]
fn no_end_is_missed_in_a_race() {
    bounded(async {
        let jwtauth = JwtAuth::builder().secret(SECRET).build(MemoryStore::new()).unwrap();
        let app = TestApp { jwtauth: jwtauth.clone(), ..TestApp::new() };
        let tab = Tab::new(&app);
        for round in 0..300 {
            let tokens = tab.login("alice").await;
            let end = jwtauth.sessions().end_of(tokens.session());
            let waiters = [(); 4].map(|()| tokio::spawn(end.wait()));
            let jwtauth = jwtauth.clone();
            let revoking = tokio::spawn(async move {
                match round % 2 {
                    0 => drop(jwtauth.sessions().revoke(tokens.session()).await.unwrap()),
                    _ => drop(jwtauth.sessions().revoke_all("alice").await.unwrap()),
                }
            });
            for waiter in waiters {
                let ended = timeout(5 * SECOND, waiter).await.expect("sooner than in 30 s").unwrap();
                assert!(matches!(ended, Ended::Revoked(_)));
            }
            revoking.await.unwrap();
        }
    });
}
