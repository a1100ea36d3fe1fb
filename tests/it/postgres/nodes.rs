//! Two machines and one database: what one has done is true on the other one, with the next request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jwtauth::store::{LoginEffects, Revocation, SessionStore, SubjectRevocation};
use jwtauth::{AccountsConfig, EndReason, RevocationReason, SessionId, testing};
use tests::app::User;
use tests::tab::{Cookies, Tab};
use tests::{bounded, bounded_by};
use tokio::task::JoinSet;

use super::{TwoNodes, client};

/// How many requests a logout on the other machine is followed by, each of which must be refused.
const ROUNDS: usize = 1_000;

#[test]
fn a_logout_on_one_node_is_seen_by_the_next_request_on_the_other() {
    bounded_by(Duration::from_secs(120), async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        for round in 0..ROUNDS {
            let (here, there) = (&nodes.tabs[round % 2], &nodes.tabs[(round + 1) % 2]);
            let pair = here.login(&format!("user {}", round % 7)).await;
            assert_eq!(
                there.get("/me", &pair.cookies()).await.status,
                200,
                "round {round}: let in there too"
            );
            assert_eq!(here.get("/me", &pair.cookies()).await.status, 200, "round {round}");
            assert_eq!(here.post("/logout", &pair.cookies()).await.status, 200, "round {round}");
            assert_eq!(
                there.get("/me", &pair.cookies()).await.status,
                401,
                "round {round}: after the logout"
            );
        }
    });
}

/// S-8: a request that has refreshed on one machine, and is slower than a logout on the other, brings no cookies back.
#[test]
fn s_8_a_logout_on_one_node_wins_over_a_slower_answer_of_the_other() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [here, there] = &nodes.apps;
        for round in 0..20 {
            let pair = nodes.tabs[0].login("alice").await;
            for app in [here, there] {
                app.clock.advance(Duration::from_secs(300));
            }
            let (tab, cookies, before) =
                (Tab::new(here), pair.cookies(), here.started.load(Ordering::SeqCst));
            let slow = tokio::spawn(async move { tab.get("/slow", &cookies).await });
            while here.started.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
            assert_eq!(nodes.tabs[1].post("/logout", &pair.cookies()).await.status, 200, "round {round}");
            here.gate.add_permits(1);
            let slow = slow.await.unwrap();
            assert_eq!((slow.status.as_u16(), slow.cookies()), (200, Cookies::None), "round {round}");
        }
    });
}

/// Who changes roles on one machine has changed them on the other.
#[test]
fn a_changed_user_is_seen_by_the_next_request_on_the_other() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let pair = nodes.tabs[0].login("alice").await;
        assert_eq!(nodes.tabs[1].get("/admin", &pair.cookies()).await.status, 200);
        let plain = User { name: "alice".into(), roles: Vec::new() };
        for round in 0..100 {
            let (here, there) = (round % 2, (round + 1) % 2);
            let (user, status) =
                if round % 2 == 0 { (plain.clone(), 403) } else { (User::named("alice"), 200) };
            nodes.apps[here].jwtauth.sessions().update_user(&user).await.unwrap();
            assert_eq!(
                nodes.tabs[there].get("/admin", &pair.cookies()).await.status,
                status,
                "round {round}"
            );
        }
    });
}

/// S-12: however many log in at once, and wherever.
#[test]
fn s_12_the_limit_of_sessions_holds_on_all_nodes_together() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder.max_sessions(5)).await else { return };
        let mut logins = JoinSet::new();
        for number in 0..64 {
            let jwtauth = nodes.apps[number % 2].jwtauth.clone();
            logins.spawn(async move {
                jwtauth.sessions().login(&User::named("alice"), jwtauth::Device::default()).await.unwrap();
            });
        }
        assert_eq!(logins.join_all().await.len(), 64);
        for app in &nodes.apps {
            assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 5);
        }
    });
}

/// N-32, S-12: the same for answers that leave at once, each from its browser.
#[test]
fn n_32_s_12_the_limit_holds_for_answers_that_leave_two_nodes() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder.max_sessions(5)).await else { return };
        let tabs = nodes.apps.each_ref().map(|app| Arc::new(Tab::new(app)));
        let mut logins = JoinSet::new();
        for number in 0..64 {
            let tab = Arc::clone(&tabs[number % 2]);
            logins.spawn(async move { tab.login_with("alice", "").await.status.as_u16() });
        }
        assert!(logins.join_all().await.into_iter().all(|status| status == 200));
        for app in &nodes.apps {
            assert_eq!(app.jwtauth.sessions().list("alice").await.unwrap().len(), 5);
        }
    });
}

/// S-11: a login that has begun before is over too. The row of the subject is held until both wait for it.
#[test]
fn s_11_the_end_of_all_sessions_is_that_of_a_login_that_has_begun() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [here, there] = nodes.stores.clone();
        let mut holder = client(&nodes.server).await;
        let schema = format!("\"{}\"", nodes.schema);
        for round in 0..20_u8 {
            let first = testing::session(100, "a");
            here.insert(first.clone(), LoginEffects::default()).await.unwrap();
            let hold = holder.transaction().await.unwrap();
            hold.execute(&format!("SELECT 1 FROM {schema}.subjects FOR UPDATE"), &[]).await.unwrap();
            let login = {
                let (here, session) = (here.clone(), testing::session(round, "a"));
                tokio::spawn(async move { here.insert(session, LoginEffects::default()).await.unwrap() })
            };
            nodes.until_waiting(1).await;
            let revocation = Revocation { at: 200, reason: RevocationReason::LogoutAll };
            let end = {
                let there = there.clone();
                let all = SubjectRevocation::all(revocation);
                tokio::spawn(async move { there.revoke_subject("a".into(), all).await.unwrap() })
            };
            nodes.until_waiting(2).await;
            hold.commit().await.unwrap();
            login.await.unwrap();
            end.await.unwrap();
            let late = here.load(SessionId::from_bytes([round; 16])).await.unwrap().unwrap();
            assert_eq!(late.revoked, Some(revocation), "round {round}");
        }
    });
}

/// A name is registered once, on whatever machines somebody tries.
#[test]
fn of_many_registrations_of_a_name_on_two_nodes_one_wins() {
    bounded(async {
        let set = |builder: jwtauth::JwtAuthBuilder| builder.accounts(AccountsConfig::default());
        let Some(nodes) = TwoNodes::start(set).await else { return };
        for round in 0..5 {
            let mut tries = JoinSet::new();
            for number in 0..8 {
                let accounts = nodes.apps[number % 2].jwtauth.accounts().unwrap().clone();
                let name = if number % 3 == 0 { format!("Alice{round}") } else { format!("alice{round}") };
                tries.spawn(async move { accounts.register(&name, "a good long password").await.is_ok() });
            }
            let won = tries.join_all().await.into_iter().filter(|won| *won).count();
            assert_eq!(won, 1, "round {round}");
        }
    });
}

/// S-3: a refresh token that was spent on one machine is spent on the other, and its reuse ends the session on both.
#[test]
fn s_3_a_refresh_token_that_was_spent_on_one_node_is_spent_on_the_other() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let [here, there] = &nodes.tabs;
        for round in 0..20 {
            let stolen = here.login("alice").await;
            let next = here.post("/refresh", &stolen.cookies()).await.pair();
            // The owner has got the answer.
            assert_eq!(there.get("/me", &next.cookies()).await.status, 200, "round {round}");
            for store in &nodes.stores {
                store.flush().await.unwrap();
            }
            for app in &nodes.apps {
                app.clock.advance(Duration::from_secs(600));
            }
            assert_eq!(
                there.post("/refresh", &stolen.only_refresh()).await.status,
                401,
                "round {round}: the thief"
            );
            for tab in &nodes.tabs {
                assert_eq!(
                    tab.get("/me", &next.cookies()).await.status,
                    401,
                    "round {round}: the session is over"
                );
            }
        }
    });
}

/// S-5: one refresh token, presented on both machines at once.
#[test]
fn s_5_of_many_refreshes_on_two_nodes_one_rotates_and_all_are_let_in() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        let nodes = Arc::new(nodes);
        for round in 0..10 {
            let pair = nodes.tabs[0].login("alice").await;
            let mut tries = JoinSet::new();
            for number in 0..16 {
                let (nodes, cookies) = (Arc::clone(&nodes), pair.cookies());
                tries.spawn(
                    async move { nodes.tabs[number % 2].post("/refresh", &cookies).await.pair().refresh },
                );
            }
            let mut answers = tries.join_all().await;
            answers.sort_unstable();
            answers.dedup();
            assert_eq!(answers.len(), 1, "round {round}: one successor");
        }
    });
}

/// The end of a session reaches the connections of the other machine.
#[test]
fn a_connection_hears_of_a_logout_on_the_other_node_within_two_seconds() {
    bounded(async {
        let Some(nodes) = TwoNodes::start(|builder| builder).await else { return };
        for _ in 0..3 {
            let pair = nodes.tabs[0].login("alice").await;
            let stays = nodes.tabs[0].login("bob").await;
            let there = nodes.apps[1].jwtauth.sessions();
            let waits = tokio::spawn(there.end_of(pair.session()).wait());
            let mut other = tokio::spawn(there.end_of(stays.session()).wait());
            tokio::time::sleep(Duration::from_millis(300)).await;
            let since = Instant::now();
            assert_eq!(nodes.tabs[0].post("/logout", &pair.cookies()).await.status, 200);
            assert_eq!(waits.await.unwrap(), EndReason::Revoked(RevocationReason::Logout));
            assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
            let still = tokio::time::timeout(Duration::from_millis(1), &mut other).await;
            assert!(still.is_err(), "another session goes on");
            other.abort();
        }
    });
}

impl TwoNodes {
    /// Waits until so many statements about this schema wait for a lock.
    async fn until_waiting(&self, count: i64) {
        let asked = client(&self.server).await;
        let name = format!("\"{}\"", self.schema);
        loop {
            let waiting = asked
                .query_one(
                    "SELECT count(*) FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND position($1 IN query) > 0",
                    &[&name],
                )
                .await
                .unwrap();
            if waiting.get::<_, i64>(0) >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
