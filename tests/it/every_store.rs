//! What is true of sessions in memory is true of each store: the tests of behaviour once more, over sled and PostgreSQL.
//!
//! They run in a process of their own, which is told where each [`TestStore`](tests::test_store) is.

use std::env;
use std::path::Path;
use std::process::Command;

use tests::bounded;
use tests::postgres;
use tests::test_store::STORE;

/// The tests that run again: guards, and the life of sessions, accounts and API keys.
const SUBJECTS: [&str; 23] = [
    "accounts::",
    "api_keys::",
    "brakes::",
    "claims::",
    "clock::",
    "concurrency::",
    "devices::",
    "ends::",
    "events::",
    "expiry::",
    "guard::",
    "http::",
    "keys::",
    "known_callers::",
    "lost_answers::",
    "model::",
    "poem_session::",
    "registry::",
    "routes::",
    "services::",
    "sessions::",
    "sliding::",
    "table::",
];

/// What has a subject in its name and is none of them, and why.
const OTHERS: [(&str, &str); 6] = [
    ("brakes::memory::", "programs, which have stores of their own"),
    ("m_3_logins_go_through_while_registrations_flood", "how busy the processor is"),
    ("openapi::", "what is said of routes"),
    ("pages::", "how they look"),
    ("postgres::", "has a database anyway"),
    ("rescue::", "files of damaged stores"),
];

/// What is otherwise in a database, and where that is tested.
const OF_ONE_PROCESS: [(&str, &str); 2] = [
    ("clock::", "postgres::times"),
    // It archives by a time to which the clock has not kept for a while.
    ("w_7_tokens_hang_in_the_tree_of_their_login", "postgres::ahead"),
];

/// Runs them over stores that are in `place`, without these.
fn all_again(place: &str, without: &[(&str, &str)]) {
    let mut run = Command::new("timeout");
    run.args(["--kill-after=5", "1500"]).arg(env::current_exe().unwrap()).args(SUBJECTS);
    for &(other, _) in OTHERS.iter().chain(without) {
        run.args(["--skip", other]);
    }
    let ran = run.env(STORE, place).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let summary = said.lines().rev().find(|line| line.starts_with("test result"));
    assert!(ran.status.success(), "{}: {said}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    println!("{}", summary.unwrap());
}

/// How many stores there are at least, or the tests did not run where they should.
const STORES: usize = 500;

#[test]
fn over_each_store_in_directories() {
    let folder = tempfile::tempdir().unwrap();
    all_again(folder.path().to_str().unwrap(), &[]);
    let stores = |path: &Path| path.read_dir().unwrap().count();
    assert!(stores(folder.path()) > STORES, "{}", stores(folder.path()));
}

#[test]
fn over_each_store_in_a_database() {
    let Some(server) = postgres::shared() else { return };
    all_again(&server.url(), &OF_ONE_PROCESS);
    let schemas: i64 = bounded(async {
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'test %'";
        super::postgres::client(&server).await.query_one(sql, &[]).await.unwrap().get(0)
    });
    assert!(schemas > STORES as i64, "{schemas}");
}
