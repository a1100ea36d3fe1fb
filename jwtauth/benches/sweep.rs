//! How long a sweep takes, and how long it holds up concurrent guarded requests and logins.
//!
//! Run with `cargo bench -p jwtauth --bench sweep`, or with the number of sessions: `-- 1000000`. One task
//! asks a guarded endpoint again and again, and one logs in each millisecond, first alone, then while the
//! sweep runs; all lines are from one run, so their ratio is what counts.

#[path = "shared/processor_time.rs"]
mod processor_time;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtauth::clock::ManualClock;
use jwtauth::{AuthUser, JwtAuth, SledStore, require_auth};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};

use processor_time::processor_time;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: usize,
}

#[handler]
async fn post_login(auth: jwtauth::Auth, poem::web::Path(id): poem::web::Path<usize>) -> Result<()> {
    auth.login(&User { id }).await?;
    Ok(())
}

#[require_auth]
async fn get_me(user: User) -> poem::web::Json<User> {
    poem::web::Json(user)
}

type App = Arc<BoxEndpoint<'static, Response>>;

async fn login(app: &App, id: usize) -> String {
    let request = Request::builder().method(Method::POST).uri_str(format!("/login/{id}")).finish();
    let response = app.get_response(request).await;
    let cookie = response.headers().get(header::SET_COOKIE).expect("a cookie").to_str().expect("ASCII");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// Asks until `stop`, and returns how long each answer took, in microseconds, in order.
async fn ask(app: App, cookie: String, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let request = Request::builder().uri_str("/me").header(header::COOKIE, &cookie).finish();
        let start = Instant::now();
        let response = app.get_response(request).await;
        times.push(start.elapsed().as_nanos() as f64 / 1_000.0);
        assert!(response.is_success());
        tokio::task::yield_now().await;
    }
    times.sort_by(f64::total_cmp);
    times
}

/// Logs in until `stop`, and returns how long each login took, in microseconds, in order.
async fn log_in(app: App, first: usize, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        login(&app, first + times.len()).await;
        times.push(start.elapsed().as_nanos() as f64 / 1_000.0);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times.sort_by(f64::total_cmp);
    times
}

fn report(what: &str, times: &[f64]) {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what:24} {:9} requests, p50 {:7.1} us, p99 {:7.1} us, p99.9 {:7.1} us, max {:7.1} us",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

/// Asks and logs in while `work` runs, and says how long that took.
async fn measure<T>(what: &str, app: &App, cookie: &str, first: usize, work: impl Future<Output = T>) -> T {
    let stop = Arc::new(AtomicBool::new(false));
    let asking = tokio::spawn(ask(Arc::clone(app), cookie.to_owned(), Arc::clone(&stop)));
    let logging_in = tokio::spawn(log_in(Arc::clone(app), first, Arc::clone(&stop)));
    let done = work.await;
    stop.store(true, Ordering::Relaxed);
    report(&format!("GET /me {what}"), &asking.await.expect("it ends"));
    report(&format!("login {what}"), &logging_in.await.expect("it ends"));
    done
}

#[tokio::main]
async fn main() {
    let sessions: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let directory = std::env::temp_dir().join(format!("jwtauth-bench-{}", std::process::id()));
    let store = SledStore::open(directory.join("sessions")).await.expect("the store opens");
    let clock = ManualClock::at(1_800_000_000);
    let builder = JwtAuth::builder().secret(*b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG").clock(clock.clone());
    let jwtauth = builder.build(store).expect("good settings");
    let app: App = Arc::new(
        Route::new().at("/login/:id", post(post_login)).at("/me", get(get_me)).with(jwtauth.clone()).boxed(),
    );

    let (start, before) = (Instant::now(), processor_time());
    for first in (0..sessions).step_by(500) {
        let logins = (first..(first + 500).min(sessions)).map(|id| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { login(&app, id).await })
        });
        for login in logins.collect::<Vec<_>>() {
            login.await.expect("a login");
        }
    }
    println!(
        "{sessions} logins, 500 at a time, in {:?}, {:.1} s of processor time",
        start.elapsed(),
        processor_time() - before
    );
    clock.advance(DAY);
    let cookie = login(&app, sessions).await;
    // It sees that the clock has jumped, and does nothing.
    assert_eq!(jwtauth.sessions().sweep().await.expect("the sweep succeeds"), 0);

    measure("alone", &app, &cookie, sessions + 1, tokio::time::sleep(Duration::from_secs(2))).await;
    let work = async {
        let (start, before) = (Instant::now(), processor_time());
        let removed = jwtauth.sessions().sweep().await.expect("the sweep succeeds");
        (removed, start.elapsed(), processor_time() - before)
    };
    let (removed, took, used) = measure("during the sweep", &app, &cookie, sessions + 1_000_000, work).await;
    println!("{removed} sessions swept in {took:?}, {used:.1} s of processor time, all requests included");
    assert_eq!(removed, sessions);
    drop((app, jwtauth));
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
