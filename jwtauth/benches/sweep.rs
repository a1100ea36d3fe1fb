//! How long a sweep of 100,000 sessions holds up a concurrent guarded request.
//!
//! Run with `cargo bench -p jwtauth --bench sweep`. One task asks a guarded endpoint again and again, first
//! alone, then while the sweep runs; both lines are from one run, so their ratio is what counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtauth::clock::ManualClock;
use jwtauth::{AuthUser, JwtAuth, SledStore, require_auth};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, get, handler, post};
use serde::{Deserialize, Serialize};

const SESSIONS: usize = 100_000;
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

#[tokio::main]
async fn main() {
    let directory = std::env::temp_dir().join(format!("jwtauth-bench-{}", std::process::id()));
    let store = SledStore::open(directory.join("sessions")).await.expect("the store opens");
    let clock = ManualClock::at(1_800_000_000);
    let builder = JwtAuth::builder().secret(*b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG").clock(clock.clone());
    let jwtauth = builder.build(store).expect("good settings");
    let app: App = Arc::new(
        Route::new().at("/login/:id", post(post_login)).at("/me", get(get_me)).with(jwtauth.clone()).boxed(),
    );

    let start = Instant::now();
    for first in (0..SESSIONS).step_by(500) {
        let logins = (first..first + 500).map(|id| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { login(&app, id).await })
        });
        for login in logins.collect::<Vec<_>>() {
            login.await.expect("a login");
        }
    }
    println!("{SESSIONS} logins, 500 at a time, in {:?}", start.elapsed());
    clock.advance(DAY);
    let cookie = login(&app, SESSIONS).await;

    let measure = || {
        let stop = Arc::new(AtomicBool::new(false));
        (Arc::clone(&stop), tokio::spawn(ask(Arc::clone(&app), cookie.clone(), stop)))
    };
    let (stop, alone) = measure();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::Relaxed);
    report("GET /me alone", &alone.await.expect("it ends"));

    let (stop, during) = measure();
    let start = Instant::now();
    let removed = jwtauth.sessions().sweep().await.expect("the sweep succeeds");
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    report("GET /me during the sweep", &during.await.expect("it ends"));
    println!("{removed} sessions swept in {took:?}");
    assert_eq!(removed, SESSIONS);
    drop((app, jwtauth));
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
