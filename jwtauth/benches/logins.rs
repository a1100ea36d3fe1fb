//! What a durable login costs, with one client and with many at the same time.
//!
//! Run with `cargo bench -p jwtauth --bench logins`, or with the number of logins: `-- 100000`. Endpoints are
//! called directly, without a network. The processor time counts; how many logins a second there are depends
//! on the disk, which is measured beside them: how long a small write and its sync take.

#[path = "shared/processor_time.rs"]
mod processor_time;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtauth::{AuthUser, JwtAuth, SledStore};
use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, handler, post};
use serde::{Deserialize, Serialize};

use processor_time::processor_time;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: usize,
    name: String,
    roles: Vec<String>,
}

#[handler]
async fn post_login(auth: jwtauth::Auth, poem::web::Path(id): poem::web::Path<usize>) -> Result<()> {
    auth.login(&User { id, name: format!("user {id}"), roles: vec!["admin".into()] }).await?;
    Ok(())
}

type App = Arc<BoxEndpoint<'static, Response>>;

/// Logs in again and again, and returns how long each login took.
async fn log_in(app: App, ids: std::ops::Range<usize>) -> Vec<Duration> {
    let mut times = Vec::with_capacity(ids.len());
    for id in ids {
        let request = Request::builder().method(Method::POST).uri_str(format!("/login/{id}")).finish();
        let start = Instant::now();
        let response = app.get_response(request).await;
        times.push(start.elapsed());
        assert!(response.is_success());
    }
    times
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How long a small write and its sync take, beside the store.
fn sync(directory: &std::path::Path) -> Duration {
    let mut file = std::fs::File::create(directory.join("probe")).expect("a file");
    let times = (0..100).map(|_| {
        let start = Instant::now();
        file.write_all(&[1; 1_024]).and_then(|()| file.sync_data()).expect("a write");
        start.elapsed()
    });
    median(times.collect())
}

#[tokio::main]
async fn main() {
    let logins: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let directory = std::env::temp_dir().join(format!("jwtauth-bench-{}", std::process::id()));
    let store = SledStore::open(directory.join("sessions")).await.expect("the store opens");
    let builder = JwtAuth::builder().secret(*b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
    let jwtauth = builder.build(store).expect("good settings");
    let app: App = Arc::new(Route::new().at("/login/:id", post(post_login)).with(jwtauth.clone()).boxed());

    println!("one sync: {:.0} us", sync(&directory).as_secs_f64() * 1e6);
    let mut first = 0;
    for clients in [1, 32, 256] {
        let each = if clients == 1 { logins / 100 } else { logins / clients };
        let (start, before) = (Instant::now(), processor_time());
        let tasks: Vec<_> = (0..clients)
            .map(|client| first + client * each)
            .map(|from| tokio::spawn(log_in(Arc::clone(&app), from..from + each)))
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.expect("it ends"));
        }
        let (took, used, count) = (start.elapsed().as_secs_f64(), processor_time() - before, times.len());
        println!(
            "{clients:4} clients: {:7.0} logins/s, {:5.1} us of processor time each, p50 {:6.0} us",
            count as f64 / took,
            used * 1e6 / count as f64,
            median(times).as_secs_f64() * 1e6
        );
        first += clients * each;
    }
    drop((app, jwtauth));
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
