//! Clocks of several machines with one database (N-8).

use std::time::Duration;

use jwtauth::JwtAuthBuilder;
use tests::app::{START, TestApp};
use tests::tab::Tab;
use tests::{bounded, postgres};

use super::{TwoNodes, client, open, ways};

const MINUTE: Duration = Duration::from_secs(60);

/// A machine whose clock is a day ahead for a moment throws nobody out, then or later, and its tokens are good
/// for as long as those of the others.
#[test]
fn n_8_a_clock_that_is_wrong_for_a_moment_costs_nobody_on_another_node() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [a, b] = &nodes.apps;
        let before = nodes.tabs[1].login("ann").await;
        a.clock.set(START + 86_400);
        assert_eq!(nodes.tabs[0].get("/hello", &before.cookies()).await.status, 200);
        a.clock.set(START);
        let bob = nodes.tabs[1].login("bob").await;
        for (at, tab) in nodes.tabs.iter().enumerate() {
            assert_eq!(tab.get("/me", &bob.cookies()).await.status, 200, "node {at}");
        }
        for _ in 0..3 {
            for app in [a, b] {
                app.clock.advance(MINUTE);
                app.jwtauth.sessions().sweep().await.unwrap();
            }
        }
        let carl = nodes.tabs[0].login("carl").await;
        for (at, tab) in nodes.tabs.iter().enumerate() {
            assert_eq!(tab.get("/me", &bob.cookies()).await.status, 200, "node {at}, after the sweeps");
            assert_eq!(tab.get("/me", &carl.only_access()).await.status, 200, "node {at}");
        }
        b.clock.advance(6 * MINUTE);
        assert_eq!(nodes.tabs[1].get("/me", &carl.only_access()).await.status, 401, "it has expired");
    });
}

/// What has expired does not come back on a machine whose clock is set back: the others know the time.
#[test]
fn n_8_a_clock_that_is_set_back_brings_nothing_back_on_any_node() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [a, b] = &nodes.apps;
        let bob = nodes.tabs[0].login("bob").await;
        for app in [a, b] {
            app.clock.advance(6 * MINUTE);
            app.jwtauth.sessions().sweep().await.unwrap();
        }
        // The second one reads what the first one has kept.
        b.jwtauth.sessions().sweep().await.unwrap();
        b.clock.set(START);
        for (at, tab) in nodes.tabs.iter().enumerate() {
            assert_eq!(tab.get("/me", &bob.only_access()).await.status, 401, "node {at}");
        }
        // Who logs in there now has a token that is good for five minutes.
        let ann = nodes.tabs[1].login("ann").await;
        assert_eq!(nodes.tabs[1].get("/me", &ann.only_access()).await.status, 200);
        b.clock.advance(6 * MINUTE);
        assert_eq!(nodes.tabs[1].get("/me", &ann.only_access()).await.status, 401);
    });
}

/// The time that a program has kept to is known to the next one, whose clock is behind.
#[test]
fn n_8_the_time_survives_the_process() {
    let Some(server) = postgres::shared() else { return };
    bounded(async {
        for (way, config) in ways(&server) {
            let config = config.schema(server.schema());
            let start = async |at: u64| {
                let store = open(&config).await;
                let app = TestApp::starting_at(at, store, |builder: JwtAuthBuilder| builder);
                let tab = Tab::new(&app);
                (app, tab)
            };
            let (app, tab) = start(START).await;
            let bob = tab.login("bob").await;
            app.clock.advance(6 * MINUTE);
            tests::sweep(app.jwtauth.sessions()).await;
            let (_app, tab) = start(START + 10).await;
            assert_eq!(tab.get("/me", &bob.only_access()).await.status, 401, "{way}");
        }
    });
}

/// Returns what the guide says to do about a clock that stayed ahead, for a schema.
fn repair(schema: &str) -> String {
    let guide = include_str!("../../../jwtauth/src/docs/scaling.md");
    let found = guide.split("\n```sql\n-- The servers are stopped.\n").nth(1).unwrap();
    found.split("```").next().unwrap().replace("jwtauth.", &format!("\"{schema}\"."))
}

/// A machine whose clock stays ahead takes all of them along. They are told, go on, and can be brought back.
#[test]
fn n_8_a_clock_that_stays_ahead_takes_all_along_until_the_operator_repairs_the_time() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let TwoNodes { server, schema, stores, apps: [a, b], tabs } = nodes;
        let ann = tabs[1].login("ann").await;
        a.clock.set(START + 86_400);
        for _ in 0..3 {
            for app in [&a, &b] {
                app.clock.advance(MINUTE);
                app.jwtauth.sessions().sweep().await.unwrap();
            }
        }
        assert_eq!(tabs[1].get("/me", &ann.cookies()).await.status, 401, "her day is over");
        let bob = tabs[1].login("bob").await;
        assert_eq!(tabs[1].get("/me", &bob.cookies()).await.status, 200, "others go on");
        let opened = async |app: &TestApp, name: &str| {
            app.jwtauth.sessions().list(name).await.unwrap().first().unwrap().created_at
        };
        assert!(opened(&b, "bob").await >= START + 86_400, "a day ahead");
        // All stop, the clock is set right, and the time is repaired.
        drop((a, b, tabs, stores));
        client(&server).await.batch_execute(&repair(&schema)).await.unwrap();
        let config = server.config().schema(&schema);
        for number in 0..2 {
            let app = TestApp::starting_at(START + 600, open(&config).await, |builder| builder);
            let tab = Tab::new(&app);
            let name = format!("carl {number}");
            let carl = tab.login(&name).await;
            assert_eq!(tab.get("/me", &carl.cookies()).await.status, 200);
            assert_eq!(opened(&app, &name).await, START + 600, "by the clock");
            assert_eq!(tab.get("/me", &bob.cookies()).await.status, 200, "who logged in meanwhile stays");
            app.jwtauth.sessions().sweep().await.unwrap();
        }
    });
}
