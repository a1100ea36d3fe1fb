//! A primary that dies and a standby that takes its place: what was acknowledged is there, and all goes on by itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtauth::{PostgresConfig, PostgresStore, StorageConfig};
use tests::app::TestApp;
use tests::bounded_by;
use tests::postgres::Postgres;
use tests::tab::{Answer, Tab};
use tests::wire::Tokens;
use tokio::task::JoinSet;

use super::{client, open};
use crate::operate::run;

/// How many primaries die. `JWTAUTH_TEST_FAILOVERS` says another number.
const ROUNDS: usize = 3;

/// How many people log in, refresh and log out all the time.
const PEOPLE: usize = 12;

/// How long a request may take, whatever happens.
const BOUND: Duration = Duration::from_secs(10);

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    logins: usize,
    refreshes: usize,
    logouts: usize,
    /// Answers that said that nobody knows.
    unknown: usize,
    /// The newest tokens of each session that goes on.
    live: Vec<Tokens>,
    /// The last tokens of each session that has ended.
    over: Vec<Tokens>,
}

impl Acknowledged {
    fn add(&mut self, other: Self) {
        self.logins += other.logins;
        self.refreshes += other.refreshes;
        self.logouts += other.logouts;
        self.unknown += other.unknown;
        self.live.extend(other.live);
        self.over.extend(other.over);
    }
}

impl fmt::Display for Acknowledged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logins, refreshes, logouts, unknown, .. } = self;
        write!(
            f,
            "{logins} logins, {refreshes} refreshes, {logouts} logouts acknowledged, {unknown} times 503"
        )
    }
}

/// What a client asks for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Login(&'a str),
    Refresh(&'a Tokens),
    Logout(&'a Tokens),
}

/// Asks again and again until the answer is another one than 503, as clients do.
async fn answered(acknowledged: &mut Acknowledged, tab: &Tab, asked: Asked<'_>) -> Answer {
    loop {
        let since = Instant::now();
        let answer = match asked {
            Asked::Login(name) => tab.login_with(name, "").await,
            Asked::Refresh(pair) => tab.post("/refresh", &pair.cookies()).await,
            Asked::Logout(pair) => tab.post("/logout", &pair.cookies()).await,
        };
        assert!(since.elapsed() < BOUND, "an answer took {:?}", since.elapsed());
        if answer.status != 503 {
            return answer;
        }
        assert!(answer.headers.contains_key("retry-after"));
        acknowledged.unknown += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Logs in, refreshes a few times, and logs out or not, until it is enough.
async fn live(tabs: Arc<[Tab; 2]>, number: usize, enough: Arc<AtomicBool>) -> Acknowledged {
    let mut said = Acknowledged::default();
    for round in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        let tab = |step: usize| &tabs[(number + step) % 2];
        let name = format!("user {number} {round}");
        let answer = answered(&mut said, tab(0), Asked::Login(&name)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        said.logins += 1;
        let mut pair = answer.pair();
        for step in 0..3 {
            let answer = answered(&mut said, tab(step), Asked::Refresh(&pair)).await;
            assert_eq!(answer.status, 200, "a refresh: {}", answer.body);
            said.refreshes += 1;
            pair = answer.pair();
        }
        if round % 2 == 0 {
            let answer = answered(&mut said, tab(1), Asked::Logout(&pair)).await;
            assert_eq!(answer.status, 200, "a logout: {}", answer.body);
            said.logouts += 1;
            said.over.push(pair);
        } else {
            said.live.push(pair);
        }
    }
    said
}

/// Waits until the first server waits for the second one with each commit.
async fn until_synchronous(primary: &Postgres) {
    let asked = client(primary).await;
    let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    while asked.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// People who live on two machines with one database.
pub(super) struct Load {
    tabs: Arc<[Tab; 2]>,
    enough: Arc<AtomicBool>,
    people: JoinSet<Acknowledged>,
    said: Acknowledged,
}

impl Load {
    /// Starts with a database.
    pub(super) async fn start(config: PostgresConfig) -> Self {
        let mut apps = Vec::new();
        for _ in 0..2 {
            let config = config.clone().timeout(Duration::from_secs(2)).pool_size(8);
            let store = PostgresStore::connect(config).await.unwrap();
            apps.push(TestApp::with(store, |builder| {
                builder.storage(StorageConfig::default().timeout(Duration::from_secs(4)))
            }));
        }
        let tabs = Arc::new([Tab::new(&apps[0]), Tab::new(&apps[1])]);
        let enough = Arc::new(AtomicBool::new(false));
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            people.spawn(live(Arc::clone(&tabs), number, Arc::clone(&enough)));
        }
        Self { tabs, enough, people, said: Acknowledged::default() }
    }

    /// Waits for the first change that is taken again.
    pub(super) async fn first_change(&mut self) {
        let first = answered(&mut self.said, &self.tabs[0], Asked::Login("first")).await;
        assert_eq!(first.status, 200);
    }

    /// Lets everybody come to an end, and looks at what was acknowledged.
    pub(super) async fn end(mut self) -> Acknowledged {
        self.enough.store(true, Ordering::Relaxed);
        while let Some(person) = self.people.join_next().await {
            self.said.add(person.unwrap());
        }
        for (number, pair) in self.said.live.iter().enumerate() {
            let tab = &self.tabs[number % 2];
            assert_eq!(
                tab.get("/me", &pair.only_access()).await.status,
                200,
                "a session that was acknowledged"
            );
            assert_eq!(
                tab.post("/refresh", &pair.only_refresh()).await.status,
                200,
                "its newest refresh token"
            );
        }
        for (number, pair) in self.said.over.iter().enumerate() {
            let tab = &self.tabs[number % 2];
            assert_eq!(tab.get("/me", &pair.cookies()).await.status, 401, "a logout that was acknowledged");
            assert_eq!(tab.post("/refresh", &pair.only_refresh()).await.status, 401, "and its refresh token");
        }
        assert!(self.said.logins > PEOPLE && self.said.unknown > 0, "there was load when the primary died");
        self.said
    }
}

/// One failover. `None` if there are no servers on this machine.
async fn fail_over() -> Option<(Acknowledged, Duration)> {
    let primary = Postgres::start(&["synchronous_standby_names=*"])?;
    let standby = primary.standby()?;
    until_synchronous(&primary).await;
    let url = format!("postgres://tests@127.0.0.1:{},127.0.0.1:{}/postgres", primary.port(), standby.port());
    let mut load = Load::start(PostgresConfig::new(url)).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    primary.kill_all();
    let since = Instant::now();
    client(&standby).await.execute("SELECT pg_promote(true, 30)", &[]).await.unwrap();
    load.first_change().await;
    let outage = since.elapsed();
    tokio::time::sleep(Duration::from_millis(700)).await;
    Some((load.end().await, outage))
}

/// N-5: none of what was acknowledged is lost or undone, and nobody restarts anything.
#[test]
fn r_1_a_failover_loses_nothing_that_was_acknowledged() {
    let rounds = std::env::var("JWTAUTH_TEST_FAILOVERS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let limit = Duration::from_secs(60 + 60 * rounds as u64);
    bounded_by(limit, async {
        let (mut said, mut longest) = (Acknowledged::default(), Duration::ZERO);
        for _ in 0..rounds {
            let Some((round, outage)) = fail_over().await else { return };
            println!("{round}, {} ms until the next change", outage.as_millis());
            longest = longest.max(outage);
            said.add(round);
        }
        println!(
            "{rounds} failovers: of {} logins, {} refreshes and {} logouts none was lost; {:?} at most until the next change",
            said.logins, said.refreshes, said.logouts, longest
        );
    });
}

/// a standby does not know yet who was logged out a moment ago. No program serves from one, and an operator may
/// look at it.
#[test]
fn r_20_nobody_serves_from_a_standby() {
    let Some(primary) = Postgres::start(&[]) else { return };
    bounded_by(Duration::from_secs(120), async {
        let schema = primary.schema();
        open(&primary.config().schema(&schema)).await.close();
        let Some(standby) = primary.standby() else { return };
        let config = standby.config().schema(&schema);
        let refused = PostgresStore::connect(config.clone()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("this server is a standby"), "{refused:?}");
        let looked = run(std::path::Path::new(&standby.url()), "", &["--schema", &schema, "status"]);
        assert_eq!(looked.code, 0, "{looked:?}");
        primary.kill_all();
        client(&standby).await.execute("SELECT pg_promote(true, 30)", &[]).await.unwrap();
        open(&config).await.close();
    });
}
