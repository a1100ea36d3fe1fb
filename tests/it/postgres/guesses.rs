//! The throttle of logins, on two machines with one database: nobody guesses more often because there are more of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtauth::error::AccountError;
use jwtauth::store::{
    COUNTERS_KEPT, Counter, CounterKey, CounterKind, CounterRule, CounterStore as _, SessionStore as _,
};
use jwtauth::{Account, Accounts, AccountsConfig};
use tests::app::{START, TestApp};
use tests::postgres::Postgres;
use tests::{bounded, bounded_by};
use tokio::task::JoinSet;

use super::{TwoNodes, client, open};

const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "staple by the dozen";

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn accounts(app: &TestApp) -> &Accounts {
    app.jwtauth.accounts().unwrap()
}

async fn two_nodes(config: AccountsConfig) -> Option<TwoNodes> {
    let nodes = TwoNodes::start(|builder| builder.accounts(config.clone())).await?;
    accounts(&nodes.apps[0]).register("alice", PASSWORD).await.unwrap();
    Some(nodes)
}

/// Guesses once. Returns how long it has to wait, in seconds; `None` if the guess was looked at.
async fn guess(app: &TestApp, name: &str, peer: Option<IpAddr>) -> Option<u64> {
    match accounts(app).verify(name, OTHER, peer).await {
        Err(AccountError::InvalidCredentials) => None,
        other => Some(wait(other)),
    }
}

fn wait(outcome: Result<Account, AccountError>) -> u64 {
    match outcome {
        Err(AccountError::RateLimited { retry_after }) => retry_after.as_secs(),
        other => panic!("not throttled: {other:?}"),
    }
}

/// S-16: what fails on one machine is counted on the other.
#[test]
fn s_16_failures_on_one_node_are_failures_on_the_other() {
    bounded(async {
        let Some(nodes) = two_nodes(AccountsConfig::default()).await else { return };
        let [here, there] = &nodes.apps;
        for name in ["alice", "nobody"] {
            for number in 0..5 {
                assert_eq!(
                    guess(&nodes.apps[number % 2], name, address(1)).await,
                    None,
                    "{name}: guess {number}"
                );
            }
            for app in [here, there] {
                assert_eq!(wait(accounts(app).verify(name, PASSWORD, address(1)).await), 1, "{name}");
            }
        }
    });
}

/// S-16: a success on one machine counts on the other, and makes the owner known there.
#[test]
fn s_16_a_success_on_one_node_is_forgiven_on_the_other() {
    bounded(async {
        let Some(nodes) = two_nodes(AccountsConfig::default()).await else { return };
        let [here, there] = &nodes.apps;
        for _ in 0..2 {
            for _ in 0..4 {
                assert_eq!(guess(here, "alice", address(1)).await, None);
            }
            accounts(there).verify("alice", PASSWORD, address(1)).await.unwrap();
        }
        // Elsewhere somebody fails, until the account waits for failures from everywhere.
        for number in 2..22 {
            assert_eq!(guess(&nodes.apps[usize::from(number) % 2], "alice", address(number)).await, None);
        }
        for app in &nodes.apps {
            assert_eq!(wait(accounts(app).verify("alice", PASSWORD, address(99)).await), 1, "a stranger");
            accounts(app).verify("alice", PASSWORD, address(1)).await.unwrap();
        }
    });
}

/// M-26, S-16: however many guess at once, and wherever, no more guesses are looked at than one machine looks at.
#[test]
fn m_26_of_many_guesses_at_once_two_nodes_look_at_no_more_than_one() {
    bounded(async {
        let Some(nodes) = two_nodes(AccountsConfig::default()).await else { return };
        for (round, name) in ["alice", "nobody"].into_iter().enumerate() {
            let mut guesses = JoinSet::new();
            for number in 0..64 {
                let accounts = accounts(&nodes.apps[number % 2]).clone();
                guesses.spawn(async move { accounts.verify(name, OTHER, address(round as u8)).await });
            }
            let (mut looked_at, mut waited) = (0, 0);
            for outcome in guesses.join_all().await {
                match outcome {
                    Err(AccountError::InvalidCredentials) => looked_at += 1,
                    Err(AccountError::RateLimited { .. }) => waited += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((looked_at, waited), (5, 59), "{name}");
        }
    });
}

/// S-16: many names from one address, and M-3: registrations from one address.
#[test]
fn s_16_m_3_an_address_is_one_on_both_nodes() {
    bounded(async {
        let config = AccountsConfig::default().free_failures(5, 4).registrations(3, Duration::from_secs(60));
        let Some(nodes) = two_nodes(config).await else { return };
        for number in 0..4 {
            let app = &nodes.apps[number % 2];
            assert_eq!(guess(app, &format!("name {number}"), address(1)).await, None);
        }
        for app in &nodes.apps {
            assert_eq!(guess(app, "another", address(1)).await, Some(1));
            assert_eq!(guess(app, "another", address(2)).await, None);
        }
        for number in 0..3 {
            let accounts = accounts(&nodes.apps[number % 2]);
            accounts.register_from(&format!("new{number}"), PASSWORD, address(3)).await.unwrap();
        }
        for app in &nodes.apps {
            assert_eq!(wait(accounts(app).register_from("more", PASSWORD, address(3)).await), 60);
            // A name that cannot be is no registration.
            accounts(app).register_from("a b", PASSWORD, address(4)).await.unwrap_err();
        }
    });
}

/// M-26: the process forgets, and the database does not.
#[test]
fn m_26_a_restart_forgets_no_failure() {
    bounded(async {
        let Some(nodes) = two_nodes(AccountsConfig::default()).await else { return };
        let start = || TestApp::with(nodes.stores[0].clone(), |set| set.accounts(AccountsConfig::default()));
        for number in 0..5 {
            assert_eq!(guess(&start(), "alice", address(1)).await, None, "guess {number}");
        }
        assert_eq!(guess(&start(), "alice", address(1)).await, Some(1));
        accounts(&start()).verify("alice", PASSWORD, address(2)).await.unwrap();
    });
}

/// S-16, R-5: where nothing can be counted, nobody guesses, and nobody is told that a password is wrong.
#[test]
fn s_16_r_5_a_database_that_is_down_lets_nobody_guess() {
    let Some(server) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(60), async {
        let store = open(&server.config()).await;
        let app = TestApp::with(store, |set| set.accounts(AccountsConfig::default()));
        let accounts = accounts(&app);
        accounts.register("alice", PASSWORD).await.unwrap();
        server.kill();
        let before = accounts.hashes_computed();
        for password in [PASSWORD, OTHER] {
            let outcome = accounts.verify("alice", password, address(1)).await;
            assert!(matches!(outcome, Err(AccountError::Store { .. })), "{outcome:?}");
            let outcome = accounts.register_from("bob", password, address(1)).await;
            assert!(matches!(outcome, Err(AccountError::Store { .. })), "{outcome:?}");
        }
        assert_eq!(accounts.hashes_computed(), before, "nothing was hashed");
        server.start_again();
        accounts.verify("alice", PASSWORD, address(1)).await.unwrap();
    });
}

async fn count(nodes: &TwoNodes, which: &str) -> usize {
    let sql = format!("SELECT count(*) FROM \"{}\".counters WHERE {which}", nodes.schema);
    let count: i64 = client(&nodes.server).await.query_one(&sql, &[]).await.unwrap().get(0);
    usize::try_from(count).unwrap()
}

/// M-26: what is forgiven goes, and there is room for so many and no more. What has failed most often stays.
#[test]
fn m_26_counters_are_bounded() {
    bounded_by(Duration::from_secs(120), async {
        let Some(nodes) = two_nodes(AccountsConfig::default()).await else { return };
        let [here, there] = &nodes.apps;
        for _ in 0..5 {
            assert_eq!(guess(here, "alice", address(1)).await, None);
        }
        assert_eq!(guess(here, "bob", address(2)).await, None);
        accounts(here).verify("alice", PASSWORD, address(3)).await.unwrap();
        assert_eq!(
            count(&nodes, "true").await,
            6,
            "two pairs, two addresses, one account, and where one was let in"
        );
        // Others have failed once each.
        let fill = format!(
            "INSERT INTO \"{}\".counters SELECT decode(lpad(to_hex(n), 34, '0'), 'hex'), 1, {START} + 901, 'x'
             FROM generate_series(1, {}) AS n",
            nodes.schema,
            COUNTERS_KEPT + 5_000,
        );
        client(&nodes.server).await.batch_execute(&fill).await.unwrap();
        for _ in 0..2 {
            nodes.stores[1].sweep(START, 16).await.unwrap();
        }
        let left = count(&nodes, "kind = 1").await;
        assert!((COUNTERS_KEPT..=COUNTERS_KEPT + 4_096).contains(&left), "{left}");
        assert_eq!(guess(there, "alice", address(1)).await, Some(1), "it still waits");
        // Without a sweep, those who fail make room too.
        let mut failures = JoinSet::new();
        for number in 0..512_u16 {
            // No more at once than may wait.
            if failures.len() == 128 {
                failures.join_next().await.unwrap().unwrap();
            }
            let store = nodes.stores[0].clone();
            failures.spawn(async move {
                let key = CounterKey::new(CounterKind::Address, [number.to_le_bytes()[0]; CounterKey::NAME]);
                let bytes = number.to_be_bytes().to_vec();
                let rule: CounterRule =
                    Arc::new(move |_| vec![Some(Counter::new(START + 999, bytes.clone()))]);
                store.change_counters(vec![key], START + 902, rule).await.unwrap();
            });
        }
        failures.join_all().await;
        let since = Instant::now();
        while count(&nodes, "kind = 1").await > left - 4_000 {
            assert!(since.elapsed() < Duration::from_secs(30), "nothing goes");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
