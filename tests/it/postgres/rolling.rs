//! Two servers behind nginx, and a new release of both while people use them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::bounded;
use tests::browser::Browser;
use tests::nginx::{self, Nginx};
use tests::postgres;
use tests::program::{Program, Running};

use super::client;

const PEOPLE: usize = 4;

/// Returns the guide's settings of nginx, with other addresses. The servers that are `true` are down.
fn settings(port: u16, servers: &[(String, bool)]) -> String {
    let guide = include_str!("../../../jwtauth/src/docs/scaling.md");
    let block = guide.split("\n```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let lines = block.lines().filter(|line| !line.trim_start().starts_with("server 10."));
    let mut text: Vec<_> = lines.map(str::to_owned).collect();
    let at = text.iter().position(|line| line == "upstream shop {").unwrap() + 1;
    for (url, is_down) in servers {
        let address = url.trim_start_matches("http://");
        text.insert(at, format!("server {address}{};", if *is_down { " down" } else { "" }));
    }
    text.join("\n").replace("listen 80;", &format!("listen 127.0.0.1:{port};"))
}

/// One person who logs in, looks, refreshes and logs out, again and again. Returns how many requests were
/// answered as they should be, and panics at the first that was not.
async fn life(url: String, name: String, stop: Arc<AtomicBool>) -> BTreeMap<&'static str, usize> {
    let browser = Browser::new(&url);
    let ask = async |method: Method, path: &'static str, expected: u16| {
        let body = json!({"username": name, "password": "through the looking glass"});
        // A connection that is kept open may be closed by nginx just when it is used again.
        let asked = browser.request(method, path).header("connection", "close").json(&body).send().await;
        let answer = asked.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        assert_eq!(answer.status().as_u16(), expected, "{path}: {:?}", answer.text().await);
        (path, 1)
    };
    let mut counts = BTreeMap::new();
    let mut count = |(path, one)| *counts.entry(path).or_default() += one;
    count(ask(Method::POST, "/auth/register", 201).await);
    while !stop.load(Ordering::Relaxed) {
        count(ask(Method::POST, "/auth/obtain", 200).await);
        for _ in 0..3 {
            count(ask(Method::GET, "/me", 200).await);
            count(ask(Method::POST, "/auth/refresh", 200).await);
        }
        count(ask(Method::POST, "/auth/logout", 204).await);
        // Whichever server answers has heard of the logout.
        count(ask(Method::GET, "/me", 401).await);
    }
    counts
}

#[test]
fn a_rolling_update_behind_nginx_fails_no_request() {
    if !nginx::is_there() {
        println!("skipped: needs nginx (apt-get install nginx)");
        return;
    }
    let Some(server) = postgres::durable() else { return };
    bounded(async {
        client(&server).await.execute("CREATE DATABASE rolling", &[]).await.unwrap();
        let database = server.url().replace("/postgres", "/rolling");
        let directory = tempfile::tempdir().unwrap();
        let secret = tests::app::SECRET;
        std::fs::write(directory.path().join("secret"), secret).unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_minimal"))
            .data(directory.path())
            .env("JWTAUTH_STORE", &database);
        let mut running: Vec<Running> = (0..2).map(|_| program.start()).collect();
        let state = |running: &[Running], down: Option<usize>| -> Vec<(String, bool)> {
            let servers = running.iter().enumerate();
            servers.map(|(number, server)| (server.url.clone(), Some(number) == down)).collect()
        };
        let port = nginx::free_port();
        let nginx = Nginx::start(directory.path(), &settings(port, &state(&running, None)));
        let url = format!("http://127.0.0.1:{port}");
        nginx::listens(port).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut people = tokio::task::JoinSet::new();
        for number in 0..PEOPLE {
            people.spawn(life(url.clone(), format!("person{number}"), Arc::clone(&stop)));
        }
        // As the guide says, one after the other.
        let pause = || tokio::time::sleep(Duration::from_secs(1));
        pause().await;
        for number in 0..2 {
            nginx.reload(&settings(port, &state(&running, Some(number))));
            pause().await;
            let program = program.clone();
            let old = running.remove(number);
            let new = tokio::task::spawn_blocking(move || {
                let (status, log) = old.terminate();
                assert!(status.success(), "{status}: {log}");
                program.start()
            });
            running.insert(number, new.await.unwrap());
            nginx.reload(&settings(port, &state(&running, None)));
            pause().await;
        }
        stop.store(true, Ordering::Relaxed);
        let mut counts = BTreeMap::<_, usize>::new();
        while let Some(life) = people.join_next().await {
            for (path, count) in life.unwrap() {
                *counts.entry(path).or_default() += count;
            }
        }
        println!("answered during two restarts: {counts:?}");
        assert!(counts["/me"] >= 4 * PEOPLE, "{counts:?}");
    });
}
