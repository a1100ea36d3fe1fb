//! How large the files of a store get while its sessions change, and what readers notice of it.
//!
//! Run with `cargo bench -p jwtauth --bench churn`, or with the number of live sessions and of changes:
//! `cargo bench -p jwtauth --bench churn -- 5000 1000000`. Of ten changes eight are refreshes, and two are
//! logins of sessions that expire soon and are swept. One task reads records meanwhile, one each millisecond.

#[path = "shared/processor_time.rs"]
mod processor_time;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtauth::store::{
    CompactStore as _, LoginEffects, RotationPolicy, RotationRequest, SessionStore, Successor,
};
use jwtauth::{Session, SessionId, SledStore, TokenId};

use processor_time::processor_time;

/// How many clients change something at the same time.
const CLIENTS: u64 = 64;
/// A day, in Unix seconds, is spread over all changes.
const DAY: u64 = 24 * 60 * 60;
const START: u64 = 1_800_000_000;

fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn session(number: u64, now: u64, expires_at: u64) -> Session {
    let tokens = Successor::new(TokenId::from_bytes(id(number)), TokenId::from_bytes(id(!number)));
    let mut session = Session::new(SessionId::from_bytes(id(number)), format!("user-{number}"), now, tokens);
    session.roles = vec!["admin".into(), "staff".into()];
    session.user =
        Some(format!(r#"{{"id":{number},"name":"user {number}","roles":["admin","staff"]}}"#).into());
    (session.absolute_expires_at, session.expires_at) = (START + 30 * DAY, expires_at);
    session
}

/// Returns the length of the data file, and that of all files, in megabytes.
fn size(path: &Path) -> (f64, f64) {
    fn all(path: &Path) -> u64 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let len = |entry: std::fs::DirEntry| match entry.metadata() {
            Ok(found) if found.is_dir() => all(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        };
        entries.map(len).sum()
    }
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let data = std::fs::metadata(path.join("db")).map_or(0, |data| data.len());
    (megabytes(data), megabytes(all(path)))
}

/// Reads records until `stop`. Returns how long each took in microseconds, in order, and how many failed.
async fn read(store: SledStore, live: u64, stop: Arc<AtomicBool>) -> (Vec<f64>, usize) {
    let (mut times, mut failed, mut number) = (Vec::new(), 0, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        number = (number + 7_919) % live;
        let start = Instant::now();
        let found = store.load(SessionId::from_bytes(id(number))).await;
        times.push(start.elapsed().as_nanos() as f64 / 1_000.0);
        failed += usize::from(!matches!(found, Ok(Some(_))));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort_by(f64::total_cmp);
    (times, failed)
}

/// Makes each change whose number is `first` plus a multiple of [`CLIENTS`]. Returns the longest time.
async fn change(
    store: SledStore,
    first: u64,
    numbers: std::ops::Range<u64>,
    live: u64,
    all: u64,
) -> Duration {
    let mut longest = Duration::ZERO;
    let policy = RotationPolicy::new(Duration::from_secs(10), Duration::from_secs(14 * DAY));
    for number in numbers.filter(|number| number % CLIENTS == first) {
        let now = START + number * DAY / all;
        let start = Instant::now();
        let done = loop {
            let done = if number % 10 < 2 {
                store.insert(session(live + number, now, now + 60), LoginEffects::default()).await
            } else {
                let (of, tokens) =
                    (SessionId::from_bytes(id(number % live)), |half| TokenId::from_bytes(id(half)));
                let generation = store.load(of).await.map(|found| found.map_or(0, |found| found.generation));
                let next = Successor::new(tokens(2 * number), tokens(2 * number + 1));
                match generation {
                    Ok(generation) => {
                        let request = RotationRequest::new(of, generation, now, policy, next);
                        store.rotate(request).await.map(drop)
                    }
                    Err(error) => Err(error),
                }
            };
            match done {
                Err(_) if start.elapsed() < Duration::from_secs(30) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                done => break done,
            }
        };
        done.expect("a change");
        longest = longest.max(start.elapsed());
    }
    longest
}

#[tokio::main]
async fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (live, all) = match *numbers {
        [live, all] => (live, all),
        _ => (1_000, 20_000),
    };
    let directory = std::env::temp_dir().join(format!("jwtauth-churn-{}", std::process::id()));
    let path = directory.join("store");
    let store = SledStore::open(&path).await.expect("the store opens");
    for first in (0..live).step_by(256) {
        let logins: Vec<_> = (first..(first + 256).min(live))
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let session = session(number, START, START + 14 * DAY);
                    store.insert(session, LoginEffects::default()).await
                })
            })
            .collect();
        for login in logins {
            login.await.expect("it ends").expect("a login");
        }
    }
    println!("{live} sessions: file {:.1} MB, all files {:.1} MB", size(&path).0, size(&path).1);

    let stop = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(read(store.clone(), live, Arc::clone(&stop)));
    let (begun, cpu_before) = (Instant::now(), processor_time());
    // The default is a sweep each minute.
    let step = (all / 20).clamp(1, 10_000);
    let (mut largest, mut longest) = (0.0_f64, Duration::ZERO);
    for first in (0..all).step_by(step as usize) {
        let numbers = first..(first + step).min(all);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| tokio::spawn(change(store.clone(), client, numbers.clone(), live, all)))
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            largest = largest.max(size(&path).0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for client in clients {
            longest = longest.max(client.await.expect("it ends"));
        }
        let now = START + numbers.end * DAY / all;
        while store.sweep(now, 16).await.expect("a sweep").more {}
        if numbers.end * 20 / all > first * 20 / all {
            let (data, files) = size(&path);
            println!(
                "{:9} changes, {:6.1} s: file {data:6.1} MB, all files {files:6.1} MB, largest file {largest:6.1} MB, longest change {:6.1} ms",
                numbers.end,
                begun.elapsed().as_secs_f64(),
                longest.as_secs_f64() * 1e3
            );
        }
    }
    println!("{:.1} us of processor time a change", (processor_time() - cpu_before) * 1e6 / all as f64);
    stop.store(true, Ordering::Relaxed);
    let (times, failed) = reading.await.expect("it ends");
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{} reads, {failed} failed: p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, max {:.1} us",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    let start = Instant::now();
    match store.compact().await {
        Ok(_) => println!("compacted in {:?}: file {:.1} MB", start.elapsed(), size(&path).0),
        Err(error) => println!("not compacted: {error}"),
    }
    drop(store);
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
