//! The end of a session reaches those who wait for it: each way to end, and nothing else.
//!
//! Time is tokio's, which stands still and jumps to the next timer when all wait. So "at once" means at
//! exactly the same instant, and 30 s cost nothing.

mod outage;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use jwtauth::clock::Clock;
use jwtauth::store::{Revocation, SessionStore};
use jwtauth::{EndReason, JwtAuth, RevocationReason, SessionEnd, SessionId, SledStore, require_auth};
use poem::test::TestClient;
use poem::web::Data;
use poem::{EndpointExt, Route, get};
use tests::app::{SECRET, START, TestApp, User};
use tests::faulty::{Fault, Faulty, LATE};
use tests::tab::Tab;
use tests::test_store::TestStore;
use tests::wire::Tokens;
use tests::{bounded, in_no_time};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it takes at most until an end is seen that nobody reported.
const BOUND: Duration = Duration::from_secs(30);

/// An app on a store whose reads are counted.
struct Site {
    app: TestApp,
    store: Faulty,
    tab: Tab,
}

impl Site {
    fn new() -> Self {
        Self::over(Faulty::default())
    }

    fn over(store: Faulty) -> Self {
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
struct Waiter(JoinHandle<(EndReason, Instant)>);

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
    async fn ended(self, since: Instant) -> (EndReason, Duration) {
        let (ended, at) = self.0.await.unwrap();
        (ended, at - since)
    }

    async fn at_once(self) -> EndReason {
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
            ("logout", EndReason::Revoked(RevocationReason::Logout)),
            ("logout by bearer", EndReason::Revoked(RevocationReason::Logout)),
            ("logout all", EndReason::Revoked(RevocationReason::LogoutAll)),
            ("logout others", EndReason::Revoked(RevocationReason::Requested)),
            ("revoke", EndReason::Revoked(RevocationReason::Requested)),
            ("revoke all", EndReason::Revoked(RevocationReason::LogoutAll)),
            ("revoke others", EndReason::Revoked(RevocationReason::Requested)),
            ("login", EndReason::Revoked(RevocationReason::Replaced)),
            ("login as another", EndReason::Revoked(RevocationReason::Replaced)),
            ("reuse", EndReason::Revoked(RevocationReason::Reused)),
            ("reuse in a guarded handler", EndReason::Revoked(RevocationReason::Reused)),
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
                    assert_eq!(tab.get("/me", &alice.cookies()).await.status, 200);
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
        assert_eq!(waiter.at_once().await, EndReason::Revoked(RevocationReason::LogoutAll));
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
        assert_eq!(waiter.at_once().await, EndReason::Revoked(RevocationReason::Logout));
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
        let app = TestApp::with(TestStore::new(), |builder| {
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
            assert_eq!(ended, EndReason::Expired);
            assert!((limit..limit + SECOND).contains(&after), "{after:?} for {limit:?}");
        }
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
        assert_eq!(waiter.at_once().await, EndReason::Closed);
        assert_eq!(end.wait().await, EndReason::Closed);
    });
}

/// What another process ends is seen a second later, also if one waits alone. What it leaves alone disturbs nobody.
#[test]
fn an_end_that_another_process_makes_is_seen_in_a_second() {
    in_no_time(|| async {
        let site = Site::over(Faulty::shared());
        let (alice, bob) = (site.tab.login("alice").await, site.tab.login("bob").await);
        let ends = site.wait(&alice).await;
        sleep(3 * SECOND).await;
        let since = Instant::now();
        let revocation = Revocation { at: START, reason: RevocationReason::Requested };
        assert!(site.store.inner.revoke(alice.session(), revocation).await.unwrap());
        let (ended, after) = ends.ended(since).await;
        assert_eq!(ended, EndReason::Revoked(RevocationReason::Requested));
        assert!(after <= SECOND, "{after:?}");
        let (stays, too) = (site.wait(&bob).await, site.wait(&bob).await);
        let before = site.store.loads();
        sleep(10 * SECOND).await;
        let asked = site.store.loads() - before;
        assert!((9..=11).contains(&asked), "one question a second, however many wait: {asked}");
        assert!(stays.is_waiting().await && too.is_waiting().await);
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
        assert_eq!(last.at_once().await, EndReason::Revoked(RevocationReason::Requested));
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
            assert_eq!(waiter.await.unwrap(), EndReason::Revoked(RevocationReason::Requested));
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
        let jwtauth = JwtAuth::builder().secret(SECRET).build(TestStore::new()).unwrap();
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
                assert!(matches!(ended, EndReason::Revoked(_)));
            }
            revoking.await.unwrap();
        }
    });
}
