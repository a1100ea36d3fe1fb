//! What the server does with each statement when there are many sessions: no table is read from end to end.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jwtauth::store::{
    AccountStore as _, Counter, CounterKey, CounterKind, CounterRule, CounterStore as _, LoginEffects,
    NewValue, Revocation, RotationPolicy, RotationRequest, SessionPages as _, SessionStore as _,
    SubjectRevocation, Successor, TokenRevocation, TokenStore as _, UserUpdate, ValueKey, ValueStore as _,
};
use jwtauth::{PostgresStore, RevocationReason, SessionId, TokenId, testing};
use tests::bounded_by;
use tests::postgres::Postgres;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{client, open};

/// How many sessions there are, of ten times fewer subjects. `JWTAUTH_TEST_SESSIONS` says another number.
const SESSIONS: u64 = 100_000;

/// Returns the settings with which the server writes each plan to its log.
fn explained() -> Option<Postgres> {
    Postgres::start(&[
        "fsync=off",
        "full_page_writes=off",
        "session_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "jit=off",
    ])
}

#[test]
fn no_statement_reads_a_table_from_end_to_end() {
    let Some(server) = explained() else { return };
    let sessions = std::env::var("JWTAUTH_TEST_SESSIONS").map_or(SESSIONS, |number| number.parse().unwrap());
    bounded_by(Duration::from_secs(600), async {
        let store = open(&server.config().schema("jwtauth")).await;
        let owner = client(&server).await;
        // What the store does not read need not be records.
        owner
            .batch_execute(&format!(
                "SET auto_explain.log_min_duration = -1;
                 INSERT INTO jwtauth.sessions
                     SELECT decode(md5('s' || n), 'hex'), decode(md5('u' || n % ({sessions} / 10 + 1)), 'hex'),
                            4000000000 + n, 'x' FROM generate_series(1, {sessions}) AS n;
                 INSERT INTO jwtauth.subjects SELECT DISTINCT subject FROM jwtauth.sessions;
                 INSERT INTO jwtauth.tokens SELECT id, place::bytea, expires_at, 'x' FROM jwtauth.sessions,
                     (VALUES ('a'), ('b')) AS places (place);
                 INSERT INTO jwtauth.kept_values
                     SELECT decode(md5('a' || n) || md5('b' || n), 'hex'), 4000000000 + n, 'x'
                     FROM generate_series(1, {sessions}) AS n;
                 INSERT INTO jwtauth.accounts
                     SELECT decode(md5('c' || n), 'hex'), ('name ' || n)::bytea, 'x'
                     FROM generate_series(1, {sessions}) AS n;
                 INSERT INTO jwtauth.counters
                     SELECT decode(md5('d' || n) || '01', 'hex'), n % 5 + 1, 4000000000 + n, 'x'
                     FROM generate_series(1, {sessions}) AS n;
                 INSERT INTO jwtauth.events SELECT n, 'x' FROM generate_series(1, {sessions}) AS n;
                 ANALYZE"
            ))
            .await
            .unwrap();
        every_statement_uses_an_index(&store, &owner).await;
        let register = Some(Duration::from_secs(300));
        for number in 0..10 {
            let mut effects = LoginEffects::default();
            (effects.max_sessions, effects.register) = (Some(3), register);
            effects.replaces = vec![testing::session(99, "a").id];
            store.insert(testing::session(number, "a"), effects).await.unwrap();
        }
        let session = testing::session(9, "a");
        let successor = Successor::new(TokenId::from_bytes([1; 16]), TokenId::from_bytes([2; 16]));
        let policy = RotationPolicy::new(Duration::from_secs(30), Duration::from_secs(1_000));
        let mut request = RotationRequest::new(session.id, 0, 150, policy, successor);
        request.register = register;
        store.rotate(request).await.unwrap();
        store.confirm(session.id, 1);
        store.flush().await.unwrap();
        store.load(session.id).await.unwrap();
        store.over(vec![session.id], 150).await.unwrap();
        store.sessions_of("a".into()).await.unwrap();
        // Behind the last one: the others are no records.
        store.sessions_after(Some(SessionId::from_bytes([0xff; 16])), 10).await.unwrap();
        store.revoke_token(TokenRevocation::new(session.id, session.access_id, 400, 160)).await.unwrap();
        store.tokens_of(session.id).await.unwrap();
        store.update_user("a".into(), UserUpdate::default()).await.unwrap();
        let revocation = Revocation { at: 170, reason: RevocationReason::Logout };
        store.revoke(session.id, revocation).await.unwrap();
        store.revoke_subject("a".into(), SubjectRevocation::all(revocation)).await.unwrap();
        store.archive(500, 16).await.unwrap();
        store.sweep(2_000, 16).await.unwrap();
        let value = NewValue::new(ValueKey::from_bytes([7; 32]), vec![1], 100, 200);
        for _ in 0..2 {
            store.save_value(value.clone()).await.unwrap();
        }
        store.load_value(value.key, 150).await.unwrap();
        store.remove_value(value.key, 150).await.unwrap();
        let account = testing::account(1, "alice");
        store.create_account(account.clone()).await.unwrap();
        store.account(account.id).await.unwrap();
        store.account_by_key("alice".into()).await.unwrap();
        store.accounts(Some("z".into()), 1).await.unwrap();
        store.change_account(account.clone(), 0, Some(SubjectRevocation::all(revocation))).await.unwrap();
        store.remove_account(account.id, SubjectRevocation::all(revocation)).await.unwrap();
        let keys = CounterKind::ALL.map(|kind| CounterKey::new(kind, [7; 16]));
        for counter in [Some(Counter::new(3_000, vec![1])), Some(Counter::new(3_000, vec![2])), None] {
            let rule: CounterRule = Arc::new(move |found| vec![counter.clone(); found.len()]);
            store.change_counters(keys.to_vec(), 160, rule).await.unwrap();
        }
    });
    let log = fs::read_to_string(server.directory().join("log")).unwrap();
    let plans: Vec<_> = log.split("Query Text: ").skip(1).collect();
    assert!(plans.len() > 60, "the server has written its plans: {}", plans.len());
    for table in ["sessions", "subjects", "tokens", "kept_values", "accounts", "counters"] {
        assert!(plans.iter().any(|plan| plan.contains(&format!("Index Scan using {table}"))), "{table}");
        let whole = plans.iter().find(|plan| plan.contains(&format!("Seq Scan on {table}")));
        assert!(whole.is_none(), "{}", whole.unwrap());
    }
}

/// The tables that grow with the number of users.
const BIG: [&str; 7] = ["accounts", "counters", "events", "kept_values", "sessions", "subjects", "tokens"];

/// Statements that may read such a table without an index.
const WHOLE: [(&str, &str); 9] = [
    ("count_accounts", "an operator asks how many there are"),
    ("count_sessions", "an operator asks how many there are"),
    ("empty_accounts", "any rows will do, and they end at a limit"),
    ("empty_events", "any rows will do, and they end at a limit"),
    ("empty_sessions", "any rows will do, and they end at a limit"),
    ("empty_subjects", "any rows will do, and they end at a limit"),
    ("empty_tokens", "any rows will do, and they end at a limit"),
    ("empty_values", "any rows will do, and they end at a limit"),
    ("holds_anything", "one row is enough"),
];

/// Returns parameters of these types.
fn arguments(types: &[String]) -> String {
    let one = |number: u32| format!("\\x{number:032x}");
    let many = (0..32).map(|number| format!("\"\\{}\"", one(number))).collect::<Vec<_>>().join(",");
    let arguments = types.iter().map(|name| match name.as_str() {
        "bytea" => format!("'{}'", one(7)),
        "_bytea" => format!("'{{{many}}}'"),
        "int8" => "32".to_owned(),
        "_int8" => format!("'{{{}}}'", vec!["32"; 32].join(",")),
        other => panic!("a parameter of the type {other}"),
    });
    arguments.collect::<Vec<_>>().join(", ")
}

/// Asks the server for the plan of every statement of the store, as it is used first and as it is used later: after
/// five times the server may take a plan that is the same for all parameters.
async fn every_statement_uses_an_index(store: &PostgresStore, owner: &Client) {
    let statements = store.statements();
    assert!(statements.len() > 70, "{}", statements.len());
    let mut without = Vec::new();
    for (name, sql, types) in &statements {
        let (of, given) = match types.as_slice() {
            [] => (String::new(), String::new()),
            types => (format!("({})", types.join(", ")), format!("({})", arguments(types))),
        };
        owner.batch_execute(&format!("PREPARE \"{name}\"{of} AS {sql}")).await.unwrap();
        for time in 1..=7 {
            let explain = format!("EXPLAIN (COSTS OFF) EXECUTE \"{name}\"{given}");
            let plan = owner.simple_query(&explain).await.unwrap();
            let lines = plan.iter().filter_map(|line| match line {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            // Without the parameters, which are long.
            let lines = lines.filter(|line| !line.contains(" Cond: "));
            let plan = lines.collect::<Vec<_>>().join("\n");
            if BIG.iter().any(|table| reads_all_of(&plan, table)) && !WHOLE.iter().any(|(may, _)| may == name)
            {
                without.push(format!("{name}, the {time}th time: {plan}"));
            }
        }
    }
    assert!(without.is_empty(), "{}", without.join("\n"));
    for (name, _) in WHOLE {
        assert!(statements.iter().any(|(statement, ..)| *statement == name), "{name} is no statement");
    }
}

/// Tells whether a table is read from its first row to its last.
fn reads_all_of(plan: &str, table: &str) -> bool {
    plan.lines().any(|line| {
        line.split_once("Seq Scan on ").is_some_and(|(_, read)| read.split(' ').next() == Some(table))
    })
}
