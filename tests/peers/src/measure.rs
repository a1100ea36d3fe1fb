//! Processor time of each kind of request, of the server and of its database, and how often it waits for that.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::drive::{Connection, Jar};
use crate::far_away::{ROUND_TRIP, far_away};

/// How many requests of each kind a round has, and from how many connections.
const REQUESTS: (usize, usize) = (20_000, 32);
const CHANGES: (usize, usize) = (2_000, 8);

const NAMES: [&str; 4] = ["jwtauth", "jwtauth-stale", "poem-redis", "axum-login"];
const KINDS: [&str; 5] = ["open", "request", "login", "refresh", "logout"];

pub struct Database<'a> {
    /// Host and port.
    pub address: &'a str,
    pub process: u64,
}

/// A server that ends with this.
struct Server(Child, String);

impl Server {
    fn start(name: &str, database: &str) -> Self {
        let url = match name {
            "poem-redis" => format!("redis://{database}/"),
            _ => format!("postgres://peers@{database}/postgres"),
        };
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("a port").to_string();
        drop(free);
        let program = std::env::current_exe().expect("this program");
        let server = Command::new(program).args(["serve", name, &address, &url]).spawn().expect("a server");
        let server = Self(server, address);
        let since = Instant::now();
        while std::net::TcpStream::connect(&server.1).is_err() {
            assert!(since.elapsed() < Duration::from_secs(60), "{name} does not start");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures all of them in turn, and prints the medians.
pub fn measure(rounds: usize, postgres: &Database, redis: &Database) {
    let mut taken: Vec<Vec<[Option<(f64, f64)>; 5]>> = vec![Vec::new(); NAMES.len()];
    for round in 0..rounds {
        for turn in 0..NAMES.len() {
            let which = (round + turn) % NAMES.len();
            let (name, database) = (NAMES[which], database_of(NAMES[which], postgres, redis));
            let costs = round_of(name, database, round);
            println!("round {round}, {name}: {costs:.1?}");
            taken[which].push(costs);
        }
    }
    println!(
        "microseconds of processor time, of the program + of its database; a request beyond an open one"
    );
    for (name, taken) in NAMES.iter().zip(&taken) {
        let of = |kind: usize, part: fn(&(f64, f64)) -> f64| {
            let found: Option<Vec<f64>> = taken.iter().map(|costs| costs[kind].as_ref().map(part)).collect();
            found.map(median)
        };
        let lines = (0..KINDS.len()).map(|kind| {
            let costs = of(kind, |cost| cost.0).zip(of(kind, |cost| cost.1));
            match (costs, of(0, |cost| cost.0), KINDS[kind]) {
                (Some((ours, theirs)), Some(open), "request") => {
                    format!("request {:.1} + {theirs:.1}", ours - open)
                }
                (Some((ours, theirs)), _, kind) => format!("{kind} {ours:.1} + {theirs:.1}"),
                (None, _, kind) => format!("{kind} none"),
            }
        });
        println!("{name}: {}", lines.collect::<Vec<_>>().join(", "));
    }
    for name in NAMES {
        println!("{name}: round trips of {}", trips(name, database_of(name, postgres, redis)));
    }
}

fn database_of<'d>(name: &str, postgres: &'d Database<'d>, redis: &'d Database<'d>) -> &'d Database<'d> {
    if name == "poem-redis" { redis } else { postgres }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Returns what each kind of request costs the server and its database, in microseconds.
fn round_of(name: &str, database: &Database, round: usize) -> [Option<(f64, f64)>; 5] {
    let server = Server::start(name, database.address);
    let user = move |number: usize| format!("/login?user={}", round * 1_000_000 + number);
    let mut jars: Vec<_> = (0..REQUESTS.1).map(|_| Jar::default()).collect();
    for (number, jar) in jars.iter_mut().enumerate() {
        Connection::to(&server.1).ask("POST", &user(900_000 + number), jar);
    }
    let costs = |count: (usize, usize),
                 jars: &mut [Jar],
                 ask: &(dyn Fn(&mut Connection, usize, &mut Jar) + Sync)| {
        let process = u64::from(server.0.id());
        let before = (time_of(process), time_of_all(database.process));
        thread::scope(|scope| {
            for (client, jars) in jars.chunks_mut(jars.len() / count.1).enumerate() {
                let address = &server.1;
                scope.spawn(move || {
                    let mut connection = Connection::to(address);
                    for number in 0..count.0 / count.1 {
                        let which = number % jars.len();
                        ask(&mut connection, client * count.0 / count.1 + number, &mut jars[which]);
                    }
                });
            }
        });
        let after = (time_of(process), time_of_all(database.process));
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / 1_000.0 / count.0 as f64;
        Some((each(before.0, after.0), each(before.1, after.1)))
    };
    let open = costs(REQUESTS, &mut jars, &|connection, _, jar| connection.ask("GET", "/open", jar));
    let request = costs(REQUESTS, &mut jars, &|connection, _, jar| connection.ask("GET", "/me", jar));
    let mut jars = vec![Jar::default(); CHANGES.0];
    let login =
        costs(CHANGES, &mut jars, &|connection, number, jar| connection.ask("POST", &user(number), jar));
    let refresh = name
        .starts_with("jwtauth")
        .then(|| costs(CHANGES, &mut jars, &|connection, _, jar| connection.ask("POST", "/refresh", jar)));
    let logout = costs(CHANGES, &mut jars, &|connection, _, jar| connection.ask("POST", "/logout", jar));
    [open, request, login, refresh.flatten(), logout]
}

/// Returns how often each kind of request waits for a database that is far away.
fn trips(name: &str, database: &Database) -> String {
    let near = Server::start(name, database.address);
    drop(near);
    let server = Server::start(name, &format!("127.0.0.1:{}", far_away(database.address.to_owned())));
    let mut connection = Connection::to(&server.1);
    let mut least = [u128::MAX; 4];
    for number in 0..8 {
        let mut jar = Jar::default();
        let login = format!("/login?user={number}");
        let asked = [("POST", login.as_str()), ("GET", "/me"), ("POST", "/refresh"), ("POST", "/logout")];
        for (kind, (method, path)) in asked.into_iter().enumerate() {
            if path == "/refresh" && !name.starts_with("jwtauth") {
                continue;
            }
            let since = Instant::now();
            connection.ask(method, path, &mut jar);
            least[kind] = least[kind].min(since.elapsed().as_millis() / ROUND_TRIP.as_millis());
        }
    }
    let [login, request, refresh, logout] = least.map(|trips| match trips {
        u128::MAX => "none".to_owned(),
        trips => trips.to_string(),
    });
    format!("request {request}, login {login}, refresh {refresh}, logout {logout}")
}

/// Returns the processor time that a process has had, in nanoseconds.
fn time_of(process: u64) -> u64 {
    let clock = clock_getcpuclockid(Pid::from_raw(process as i32));
    // One that has ended meanwhile has had none.
    clock.and_then(ClockId::now).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}

/// Likewise, with the processes that it has started.
fn time_of_all(process: u64) -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes.filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        let child = entry.file_name().to_str()?.parse().ok()?;
        (parent == process).then(|| time_of(child))
    });
    time_of(process) + children.sum::<u64>()
}
