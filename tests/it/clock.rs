//! A clock that is wrong for a while and is then put right.

mod before_1970;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jwtauth::clock::{Clock as _, SystemClock};
use jwtauth::error::{AccountError, SessionError};
use jwtauth::store::{LoginEffects, SessionStore as _};
use jwtauth::{AccountsConfig, Device, Event, JwtAuthBuilder, Session, SledStore};
use tests::app::{START, TestApp, User};
use tests::bounded;
use tests::faulty::Faulty;
use tests::log::logged;
use tests::tab::{Cookies, Tab};
use tests::test_store::TestStore;
use tests::wire::{Tokens, claims};

const HOURS: u64 = 2 * 60 * 60;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn status(tab: &Tab, cookies: &str) -> u16 {
    tab.get("/me", cookies).await.status.as_u16()
}

/// Events of the clock, with their seconds.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<(&'static str, u64)>>>);

impl Steps {
    fn hooked(&self, builder: JwtAuthBuilder) -> JwtAuthBuilder {
        let steps = Arc::clone(&self.0);
        builder.on_event(move |event| {
            if let Event::ClockSetBack { by } | Event::ClockJumpedAhead { by } = &event {
                steps.lock().unwrap().push((event.name(), by.as_secs()));
            }
            std::future::ready(())
        })
    }

    async fn next(&self) -> Vec<(&'static str, u64)> {
        loop {
            let steps = std::mem::take(&mut *self.0.lock().unwrap());
            if !steps.is_empty() {
                return steps;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The program of [`n_8_a_machine_that_sleeps_was_not_set`]: says what the clock of the machine shows.
#[test]
fn uptime_here() {
    println!("uptime {} s", SystemClock.elapsed());
}

/// N-8: what has passed while a machine slept has passed. Seen in a namespace whose machine has run, and slept, for
/// longer than this one.
#[test]
fn n_8_a_machine_that_sleeps_was_not_set() {
    const SLEPT: u64 = 1_000_000;
    let words = ["unshare", "--time", "--fork", "--boottime", "1000000"];
    let run = |program: &std::path::Path, arguments: &[&str]| {
        let output =
            std::process::Command::new(words[0]).args(&words[1..]).arg(program).args(arguments).output();
        output.ok().filter(|output| output.status.success())
    };
    if run("true".as_ref(), &[]).is_none() {
        println!("skipped: needs root and a namespace of time");
        return;
    }
    let before = SystemClock.elapsed();
    let own = std::env::current_exe().unwrap();
    let output = run(&own, &["--exact", "clock::uptime_here", "--nocapture"]).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let there: u64 = said.split("uptime ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((before + SLEPT..before + SLEPT + 600).contains(&there), "{there} there, {before} here");
}

/// N-8: a token that just fits at the login fits after a step back too, when it says how far time is ahead.
#[test]
fn n_8_tokens_that_just_fit_still_fit_after_a_step_back() {
    bounded(async {
        let app = TestApp::new();
        let mut user = User::named("alice");
        let longest = async |from: usize, step: usize| {
            let mut length = from;
            loop {
                let user = User { roles: vec!["r".repeat(length + step)], ..User::named("alice") };
                match app.jwtauth.sessions().login(&user, Device::default()).await {
                    Ok(_) => length += step,
                    Err(SessionError::TokenTooLarge { .. }) => break length,
                    Err(other) => panic!("{other}"),
                }
            }
        };
        let length = longest(longest(1_500, 100).await, 1).await;
        user.roles = vec!["r".repeat(length)];
        let tokens = app.jwtauth.sessions().login(&user, Device::default()).await.unwrap();
        app.clock.set(START - HOURS);
        let refreshed = app.jwtauth.sessions().refresh(tokens.refresh().unwrap(), &Device::default()).await;
        assert!(refreshed.is_ok(), "{length}: {refreshed:?}");
    });
}

/// N-8: a token that was dated more than an hour ahead would live for as much longer, so it counts as expired.
#[test]
fn n_8_an_access_token_that_is_dated_far_ahead_is_renewed() {
    bounded(async {
        for (ahead, is_good) in [(3_600, true), (3_601, false)] {
            let wrong = Faulty::default();
            let app = TestApp::starting_at(START + ahead, wrong.clone(), |builder| builder);
            let pair = Tab::new(&app).login("alice").await;
            let record = Session::clone(&*wrong.inner.load(pair.session()).await.unwrap().unwrap());
            // Where nothing is known of that clock.
            let right = Faulty::default();
            right.insert(record, LoginEffects::default()).await.unwrap();
            let app = TestApp::with(right, |builder| builder);
            let tab = Tab::new(&app);
            let alone = if is_good { 200 } else { 401 };
            assert_eq!(status(&tab, &pair.only_access()).await, alone, "{ahead}");
            let answer = tab.get("/me", &pair.cookies()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.cookies() == Cookies::None),
                (200, is_good),
                "{ahead}"
            );
        }
    });
}

/// N-8: one second is enough where no leeway is.
#[test]
fn n_8_a_step_back_logs_nobody_out() {
    bounded(async {
        for back in [1, 60, 61, HOURS] {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let pair = tab.login("alice").await;
            app.clock.set(START - back);
            assert_eq!(status(&tab, &pair.cookies()).await, 200, "{back}");
            assert_eq!(tab.bearer("/me", &pair.access).await.status, 200, "{back}");
            let next = tab.post("/refresh", &pair.cookies()).await.pair();
            assert_eq!(status(&tab, &next.only_refresh()).await, 200, "{back}");
            let said = claims(&next.refresh);
            assert_eq!((&said["iat"], &said["clock_ahead"]), (&(START - back).into(), &back.into()));
        }
    });
}

/// N-8: times of records are ahead of a clock that was set back; how long ago something was is right.
#[test]
fn n_8_what_is_shown_as_so_long_ago_is_right_after_a_step_back() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
        let app = TestApp::with(store, |builder| builder);
        let (tab, sessions) = (Tab::new(&app), app.jwtauth.sessions());
        let summaries = async || {
            let listed = sessions.list("alice").await.unwrap();
            let told = listed.iter().map(|session| {
                let text = session.summary_at(sessions.now());
                text.rsplit_once(", last seen ").map(|(_, seen)| seen.to_owned()).unwrap()
            });
            let mut told: Vec<_> = told.collect();
            told.sort();
            told
        };
        tab.login("alice").await;
        app.clock.advance(seconds(10 * 60));
        assert_eq!(summaries().await, ["10 min ago"]);
        app.clock.set(START + 10 * 60 - HOURS);
        assert_eq!(summaries().await, ["10 min ago"], "nothing has passed");
        tab.login("alice").await;
        app.clock.advance(seconds(5 * 60));
        assert_eq!(summaries().await, ["15 min ago", "5 min ago"]);
        let newest = sessions.list("alice").await.unwrap().iter().map(|session| session.created_at).max();
        assert_eq!(newest, Some(START + 10 * 60), "by the time of sessions, which is ahead of the clock");
    });
}

/// N-8: the clock is a day behind for a while, and is put right: nobody is logged out, then or before.
#[test]
fn n_8_a_clock_that_was_behind_logs_nobody_out() {
    bounded(async {
        let app = TestApp::new();
        let tab = Tab::new(&app);
        let before = tab.login("alice").await;
        app.clock.set(START - 86_400);
        let meanwhile = tab.login("bob").await;
        app.clock.advance(seconds(60));
        assert_eq!(status(&tab, &before.cookies()).await, 200);
        app.clock.set(START + 60);
        for pair in [&before, &meanwhile] {
            assert_eq!(status(&tab, &pair.cookies()).await, 200);
            let next = tab.post("/refresh", &pair.cookies()).await.pair();
            assert_eq!(status(&tab, &next.cookies()).await, 200);
        }
        app.clock.advance(seconds(301));
        assert_eq!(tab.bearer("/me", &meanwhile.access).await.status, 401, "it has expired");
    });
}

/// N-8: the difference that was kept is forgotten on disk too, so no later start jumps by it.
#[test]
fn n_8_a_clock_that_was_put_right_is_right_after_a_restart() {
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let start = async |now| {
            let store = SledStore::open(directory.path().join("sessions")).await.unwrap();
            TestApp::starting_at(now, store, |builder| builder)
        };
        let app = start(START).await;
        let tab = Tab::new(&app);
        let pair = tab.login("alice").await;
        app.clock.set(1_000);
        drop(tab.login("bob").await);
        app.clock.set(START + 20);
        drop(tab.login("bob").await);
        drop((tab, app));
        for now in [30, 25, 27, 40] {
            let app = start(START + now).await;
            let tab = Tab::new(&app);
            assert_eq!(status(&tab, &pair.cookies()).await, 200, "{now}");
            drop(tab.login("bob").await);
        }
    });
}

/// N-8: the clock is two hours ahead for a while.
#[test]
fn n_8_what_ended_while_the_clock_was_ahead_stays_ended() {
    bounded(async {
        let steps = Steps::default();
        let app =
            TestApp::with(TestStore::new(), |builder| steps.hooked(builder.refresh_ttl(seconds(60 * 60))));
        let tab = Tab::new(&app);
        let (asks, sleeps) = (tab.login("bob").await, tab.login("carol").await);
        app.clock.advance(seconds(HOURS));
        assert_eq!(status(&tab, &asks.cookies()).await, 401);
        let first = tab.login("alice").await;
        let second = tab.post("/refresh", &first.cookies()).await.pair();
        assert_eq!(status(&tab, &second.cookies()).await, 200);

        app.clock.set(START + 10);
        assert_eq!(status(&tab, &second.cookies()).await, 200, "alive");
        assert_eq!(steps.next().await, [("clock_set_back", HOURS - 10)]);
        for (pair, who) in [(&asks, "it has asked"), (&sleeps, "it has not")] {
            assert_eq!(status(&tab, &pair.cookies()).await, 401, "{who}");
            assert_eq!(status(&tab, &pair.only_refresh()).await, 401, "{who}");
        }
        // Who logs in now has tokens that others can read by the right time, for as long as always.
        let new = tab.login("dave").await;
        let said = claims(&new.access);
        assert_eq!((&said["iat"], &said["exp"]), (&(START + 10).into(), &(START + 310).into()));
        assert_eq!(said["auth_time"], START + 10);
        app.clock.advance(seconds(299));
        assert_eq!(status(&tab, &new.only_access()).await, 200);
        app.clock.advance(seconds(1));
        assert_eq!(status(&tab, &new.only_access()).await, 401);
        assert_eq!(status(&tab, &second.only_access()).await, 401, "as old");
        assert_eq!(status(&tab, &new.cookies()).await, 200, "it is refreshed");
        app.clock.advance(seconds(60 * 60));
        assert_eq!(status(&tab, &new.only_refresh()).await, 401);
    });
}

/// N-8, S-4: the grace window is as long as it is.
#[test]
fn n_8_a_grace_window_does_not_grow() {
    bounded(async {
        for back in [10, HOURS] {
            let app = TestApp::new();
            let tab = Tab::new(&app);
            let first = tab.login("alice").await;
            let second = tab.post("/refresh", &first.cookies()).await.pair();
            assert_eq!(status(&tab, &second.cookies()).await, 200, "the child is used");
            app.clock.set(START - back);
            assert_eq!(tab.post("/refresh", &first.only_refresh()).await.status, 200, "inside it");
            app.clock.advance(seconds(30));
            assert_eq!(tab.post("/refresh", &first.only_refresh()).await.status, 401, "{back}");
        }
    });
}

/// N-8, F-13: a restart forgets nothing of it.
#[test]
fn n_8_f_13_the_latest_time_is_kept_on_disk() {
    async fn start(path: &std::path::Path, now: u64, steps: &Steps) -> TestApp {
        let store = SledStore::open(path).await.unwrap();
        TestApp::starting_at(now, store, |builder| steps.hooked(builder.refresh_ttl(seconds(60 * 60))))
    }
    async fn stop(app: TestApp) {
        app.jwtauth.sessions().flush().await.unwrap();
        drop(app);
    }
    bounded(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let steps = Steps::default();
        let app = start(&path, START, &steps).await;
        let expired = Tab::new(&app).login("bob").await;
        stop(app).await;

        // Nothing is written, and the latest time is kept all the same when it closes.
        let app = start(&path, START + HOURS, &steps).await;
        assert_eq!(status(&Tab::new(&app), &expired.cookies()).await, 401);
        drop(app);
        let app = start(&path, START + 10, &steps).await;
        assert_eq!(status(&Tab::new(&app), &expired.cookies()).await, 401);
        assert_eq!(steps.next().await, [("clock_set_back", HOURS - 10)]);
        let live: Tokens = Tab::new(&app).login("alice").await;
        stop(app).await;

        let app = start(&path, START + 20, &steps).await;
        let tab = Tab::new(&app);
        assert_eq!(status(&tab, &expired.cookies()).await, 401);
        assert_eq!(status(&tab, &live.cookies()).await, 200);
        app.clock.advance(seconds(300 - 11));
        assert_eq!(status(&tab, &live.only_access()).await, 200);
        app.clock.advance(seconds(1));
        assert_eq!(status(&tab, &live.only_access()).await, 401, "300 seconds after the login");
        assert!(steps.0.lock().unwrap().is_empty(), "it is told once");
    });
}

/// N-8: a lock lasts as long as it should, not as long as the clock was ahead.
#[test]
fn n_8_a_throttled_account_is_let_in_in_time() {
    bounded(async {
        let app = TestApp::with(TestStore::new(), |builder| {
            builder.accounts(AccountsConfig::default().free_failures(1, 20))
        });
        let accounts = app.jwtauth.accounts().unwrap();
        accounts.register("alice", "correct horse battery").await.unwrap();
        app.clock.advance(seconds(HOURS));
        let mut wait = None;
        while wait.is_none() {
            if let Err(AccountError::RateLimited { retry_after }) =
                accounts.verify("alice", "wrong horse battery", None).await
            {
                wait = Some(retry_after);
            }
        }
        app.clock.set(START);
        let right = || accounts.verify("alice", "correct horse battery", None);
        assert!(right().await.is_err());
        app.clock.advance(wait.unwrap());
        right().await.unwrap();
    });
}

/// N-8, F-13: a jump of 400 days removes no session at once, and says so.
#[test]
fn n_8_f_13_a_sweep_after_a_jump_ahead_looks_twice() {
    logged(async |log| {
        let (steps, store) = (Steps::default(), Faulty::default());
        let app = TestApp::with(store.clone(), |builder| steps.hooked(builder));
        let (sessions, pair) = (app.jwtauth.sessions(), Tab::new(&app).login("alice").await);
        let days = 400 * 24 * 60 * 60;
        app.clock.advance(seconds(days));
        assert_eq!(sessions.sweep().await.unwrap(), 0);
        assert_eq!(steps.next().await, [("clock_jumped_ahead", days)]);
        assert!(log.text().contains("this sweep removes nothing"), "{}", log.text());
        assert!(store.inner.load(pair.session()).await.unwrap().is_some());
        assert_eq!(sessions.sweep().await.unwrap(), 1);
    });
}
