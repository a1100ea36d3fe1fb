//! A machine whose clock is ahead for a while, with a database that others use too (N-8): what it writes and deletes
//! meanwhile.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jwtauth::clock::ManualClock;
use jwtauth::error::{AccountError, SessionError, TokenError};
use jwtauth::store::SessionStore as _;
use jwtauth::{Account, Accounts, AccountsConfig, JwtAuthBuilder, RequireAuth};
use poem::test::TestClient;
use poem::{EndpointExt as _, Route, get, handler};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::tab::Tab;
use tests::wire::claims;

use super::{TwoNodes, client, open};
use crate::operate::run;

const MINUTE: Duration = Duration::from_secs(60);
const HOURS: u64 = 2 * 60 * 60;
const DAYS: u64 = 30 * 24 * 60 * 60;

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "staple by the dozen";

/// What the browser of these tests sends.
const AGENT: (&str, &str) =
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");

fn accounts(app: &TestApp) -> &Accounts {
    app.jwtauth.accounts().unwrap()
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn wait<T: std::fmt::Debug>(outcome: Result<T, AccountError>) -> u64 {
    match outcome {
        Err(AccountError::RateLimited { retry_after }) => retry_after.as_secs(),
        other => panic!("not throttled: {other:?}"),
    }
}

/// Lets a minute pass on both machines, and has both sweep.
async fn minutes(nodes: &TwoNodes, count: usize) {
    for _ in 0..count {
        for app in &nodes.apps {
            app.clock.advance(MINUTE);
            app.jwtauth.sessions().sweep().await.unwrap();
        }
    }
}

async fn counters(nodes: &TwoNodes, which: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM \"{}\".counters WHERE {which}", nodes.schema);
    client(&nodes.server).await.query_one(&sql, &[]).await.unwrap().get(0)
}

/// It does not know what has passed while it did not run. The database does.
#[test]
fn n_8_a_node_that_starts_with_its_clock_ahead_deletes_no_session_of_others() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let pair = nodes.tabs[1].login("ann").await;
        minutes(&nodes, 2).await;
        let wrong = ManualClock::at(START + DAYS);
        let set = |builder: JwtAuthBuilder| builder.clock(wrong.clone());
        let store = open(&nodes.server.config().schema(&nodes.schema)).await;
        let started = TestApp::with(store, set);
        started.jwtauth.sessions().sweep().await.unwrap();
        assert_eq!(nodes.tabs[1].get("/me", &pair.cookies()).await.status, 200);
    });
}

/// A step that is too short for a second look deletes nothing either: neither sessions nor failures.
#[test]
fn n_8_a_step_of_less_than_an_hour_deletes_nothing_of_others() {
    bounded(async {
        let set =
            |builder: JwtAuthBuilder| builder.refresh_ttl(30 * MINUTE).accounts(AccountsConfig::default());
        let Some(nodes) = TwoNodes::start(set).await else { return };
        let pair = nodes.tabs[1].login("ann").await;
        for _ in 0..3 {
            accounts(&nodes.apps[1]).verify("ann", OTHER, address(1)).await.unwrap_err();
        }
        let failures = counters(&nodes, "record IS NOT NULL").await;
        nodes.apps[0].clock.set(START + 59 * 60);
        nodes.apps[0].jwtauth.sessions().sweep().await.unwrap();
        assert_eq!(nodes.tabs[1].get("/me", &pair.cookies()).await.status, 200);
        assert_eq!(counters(&nodes, "record IS NOT NULL").await, failures);
        // Put right, and an hour later: what has expired by then goes.
        nodes.apps[0].clock.set(START);
        for app in &nodes.apps {
            app.clock.advance(61 * MINUTE);
            tests::sweep(app.jwtauth.sessions()).await;
        }
        let left = nodes.stores[1].sessions_of("ann".into()).await.unwrap();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(counters(&nodes, "true").await, 0);
    });
}

/// Room for counters is made by the time that all know.
#[test]
fn n_8_attempts_on_a_node_that_is_ahead_delete_no_failures_of_others() {
    bounded(async {
        let config = AccountsConfig::default().free_failures(1, 20);
        let Some(nodes) = TwoNodes::start(|builder| builder.accounts(config.clone())).await else { return };
        minutes(&nodes, 2).await;
        accounts(&nodes.apps[1]).verify("ann", OTHER, address(1)).await.unwrap_err();
        let before = counters(&nodes, "record IS NOT NULL").await;
        nodes.apps[0].clock.set(START + DAYS);
        // It has expired by every clock.
        let old = format!(
            "INSERT INTO \"{}\".counters VALUES (decode('01ff', 'hex'), 1, {}, 'x')",
            nodes.schema,
            START - 1
        );
        client(&nodes.server).await.batch_execute(&old).await.unwrap();
        let since = Instant::now();
        while counters(&nodes, "record = 'x'").await > 0 {
            for _ in 0..64 {
                drop(accounts(&nodes.apps[0]).verify("bob", OTHER, address(2)).await);
            }
            assert!(since.elapsed() < Duration::from_secs(200), "nothing goes");
        }
        let bob = 3;
        assert_eq!(counters(&nodes, "record IS NOT NULL").await, before + bob);
    });
}

/// Those who failed while it was ahead wait as long as always, counted from the first look by the right time.
#[test]
fn n_8_failures_dated_ahead_lock_nobody_out_for_longer_than_a_delay() {
    bounded(async {
        let config = AccountsConfig::default().free_failures(1, 1);
        let Some(nodes) = TwoNodes::start(|builder| builder.accounts(config.clone())).await else { return };
        let [ahead, right] = &nodes.apps;
        accounts(right).register("ann", PASSWORD).await.unwrap();
        ahead.clock.set(START + HOURS);
        for _ in 0..3 {
            drop(accounts(ahead).verify("ann", OTHER, address(1)).await);
            ahead.clock.advance(Duration::from_secs(5));
        }
        ahead.clock.set(START);
        let try_at = async |app: &TestApp| accounts(app).verify("ann", PASSWORD, address(1)).await;
        let mut waited = 0;
        loop {
            let outcome: Result<Account, _> = try_at(right).await;
            if outcome.is_ok() {
                break;
            }
            let seconds = wait(outcome);
            waited += seconds;
            assert!(waited <= 15 * 60, "{waited} s, and {seconds} more");
            for app in &nodes.apps {
                app.clock.advance(Duration::from_secs(seconds));
            }
        }
        // Those of the address are forgiven in time too: one a minute.
        right.clock.advance(4 * MINUTE);
        let outcome = accounts(right).verify("eve", OTHER, address(1)).await;
        assert!(matches!(outcome, Err(AccountError::InvalidCredentials)), "{outcome:?}");
    });
}

#[test]
fn n_8_a_registration_dated_ahead_blocks_its_address_no_longer_than_others() {
    bounded(async {
        let config = AccountsConfig::default().registrations(2, MINUTE);
        let Some(nodes) = TwoNodes::start(|builder| builder.accounts(config.clone())).await else { return };
        let [ahead, right] = &nodes.apps;
        ahead.clock.set(START + HOURS);
        accounts(ahead).register_from("ann", PASSWORD, address(1)).await.unwrap();
        ahead.clock.set(START);
        let mut waited = 0;
        loop {
            let outcome = accounts(right).register_from("bob", PASSWORD, address(1)).await;
            if outcome.is_ok() {
                break;
            }
            let seconds = wait(outcome);
            waited += seconds;
            assert!(waited <= 2 * 60, "{waited} s, and {seconds} more");
            right.clock.advance(Duration::from_secs(seconds));
        }
    });
}

#[handler]
fn settings() -> &'static str {
    "settings"
}

/// Nobody knows how long ago somebody logged in there: it was not recent.
#[test]
fn n_8_a_login_dated_ahead_is_not_recent() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [ahead, right] = &nodes.apps;
        let guard = RequireAuth::new().fresh(10 * MINUTE);
        let site = Route::new().at("/", get(settings)).with(guard).with(right.jwtauth.clone());
        let site = TestClient::new(site);
        let status =
            async |cookies: String| site.get("/").header("cookie", cookies).send().await.0.status().as_u16();
        let soon = nodes.tabs[0].login("bob").await;
        right.clock.advance(9 * MINUTE);
        assert_eq!(status(soon.only_refresh()).await, 200, "nine minutes ago");
        for (by, is_recent) in [(60, 200), (61, 401)] {
            ahead.clock.set(START + 9 * 60 + by);
            let skewed = nodes.tabs[0].login("carl").await;
            assert_eq!(status(skewed.cookies()).await, is_recent, "{by} s ahead");
        }
    });
}

/// An access token that was issued there is good for an hour longer than others at most.
#[test]
fn n_8_an_access_token_dated_far_ahead_is_refreshed() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        nodes.apps[0].clock.set(START + HOURS);
        let pair = nodes.tabs[0].login("ann").await;
        let refused = nodes.tabs[1].bearer("/me", &pair.access).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "token_expired"));
        let answer = nodes.tabs[1].get("/me", &pair.cookies()).await;
        assert_eq!(answer.status, 200);
        let next = answer.pair();
        nodes.apps[1].clock.advance(4 * MINUTE);
        assert_eq!(nodes.tabs[1].get("/me", &next.only_access()).await.status, 200);
        nodes.apps[1].clock.advance(2 * MINUTE);
        assert_eq!(nodes.tabs[1].get("/me", &next.only_access()).await.status, 401);
    });
}

/// Who takes away a role takes it from all sessions, whatever the clock there shows.
#[test]
fn n_8_a_role_that_is_taken_away_on_a_node_that_is_ahead_is_gone() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [ahead, right] = &nodes.tabs;
        let pair = right.login("alice").await;
        assert_eq!(right.get("/admin", &pair.cookies()).await.status, 200);
        nodes.apps[0].clock.set(START + DAYS);
        let plain = User { name: "alice".into(), roles: Vec::new() };
        nodes.apps[0].jwtauth.sessions().update_user(&plain).await.unwrap();
        assert_eq!(right.get("/admin", &pair.cookies()).await.status, 403);
        assert_eq!(ahead.get("/hello", "").await.status, 200);
    });
}

/// An operator who ends everything ends what the clock of that machine takes for expired too.
#[test]
fn n_8_everybody_is_logged_out_whatever_the_clock_of_the_operator_shows() {
    bounded(async {
        // Long before the clock of this machine.
        let early = ManualClock::at(1_000_000_000);
        let set = |builder: JwtAuthBuilder| builder.clock(early.clone());
        let Some(nodes) = TwoNodes::start(set).await else { return };
        let tab = Tab::new(&nodes.apps[1]);
        let pair = tab.login("ann").await;
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 200);
        let words = ["--schema", &nodes.schema, "sessions", "revoke", "--all", "--yes"];
        let said = run(std::path::Path::new(&nodes.server.url()), "", &words);
        assert_eq!(said.out, "1 session revoked\n", "{said:?}");
        assert_eq!(tab.get("/me", &pair.cookies()).await.status, 401);
    });
}

/// N-22: a browser's queue is no theft, whatever the clock of the node that refreshed showed.
#[test]
fn n_8_n_22_old_cookies_from_a_queue_are_no_theft_if_the_refresh_is_dated_ahead() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [ahead, right] = &nodes.tabs;
        let get = async |tab: &Tab, cookies: &str| {
            tab.send(poem::http::Method::GET, "/me", &[("cookie", cookies), AGENT]).await
        };
        let old = right.login("ann").await;
        nodes.apps[1].clock.advance(6 * MINUTE);
        nodes.apps[0].clock.advance(6 * MINUTE + Duration::from_secs(400));
        let new = get(ahead, &old.cookies()).await.pair();
        assert_eq!(get(right, &new.cookies()).await.status, 200, "its answer has arrived");
        nodes.stores[1].flush().await.unwrap();
        for number in 0..5 {
            assert_eq!(get(right, &old.cookies()).await.status, 200, "request {number} of the queue");
            nodes.apps[1].clock.advance(MINUTE / 2);
        }
        assert_eq!(get(right, &new.cookies()).await.status, 200, "nobody was thrown out");
        // Later it is what it always was: a token that two parties have.
        nodes.apps[1].clock.advance(8 * MINUTE);
        assert_eq!(get(right, &old.cookies()).await.status, 401);
        assert_eq!(get(right, &new.cookies()).await.status, 401);
    });
}

/// N-28: an answer that is repeated on another machine has the same bytes, also if its clock is a second behind.
#[test]
fn n_8_n_28_an_answer_that_is_repeated_on_a_node_that_is_behind_is_the_same() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [first, second] = &nodes.tabs;
        let old = first.login("ann").await;
        drop(second.login("bob").await);
        nodes.apps[1].clock.set(START - 1);
        let one = first.post("/refresh", &old.cookies()).await.pair();
        let other = second.post("/refresh", &old.cookies()).await.pair();
        let id = |token: &str| claims(token)["jti"].clone();
        for (one, other) in [(&one.access, &other.access), (&one.refresh, &other.refresh)] {
            assert!(one == other || id(one) != id(other), "one id, two tokens");
        }
    });
}

/// N-8: a token that has expired here only is revoked there too. Who asked for that was told that it is over.
#[test]
fn n_8_a_token_that_is_revoked_where_the_clock_is_ahead_is_over_everywhere() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [ahead, there] = &nodes.apps;
        for days in [0, 2] {
            let pair = nodes.tabs[1].login("ann").await;
            ahead.clock.set(START + 600 + days * 24 * 60 * 60);
            let told = ahead.jwtauth.sessions().revoke_jwt(&pair.access).await;
            assert!(matches!(told, Err(SessionError::Token(TokenError::Expired))), "{told:?}");
            assert_eq!(nodes.tabs[1].bearer("/me", &pair.access).await.status, 401);
            // Nothing else was.
            let session = there.jwtauth.sessions().find(pair.session()).await.unwrap().unwrap();
            assert_eq!(session.revoked_tokens.len(), 1);
            assert_eq!(nodes.tabs[1].get("/me", &pair.only_refresh()).await.status, 200);
            ahead.clock.set(START);
        }
    });
}
