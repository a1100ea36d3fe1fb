//! What a durable login, refresh and logout cost, with one client and with many at the same time, and what
//! sled alone takes for the rows of as many logins.
//!
//! Run with `cargo bench -p jwtauth --bench logins`, or with the number of logins: `-- 100000`. Endpoints are
//! called directly, without a network. The processor time counts; how many logins a second there are depends
//! on the disk, which is measured beside them: how long a small write and its sync take.

#[path = "shared/bare_sled.rs"]
mod bare_sled;
#[path = "shared/processor_time.rs"]
mod processor_time;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtauth::{Auth, AuthUser, JwtAuth, SledStore};
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, header};
use poem::web::Path as UrlPath;
use poem::{Endpoint, EndpointExt, Request, Response, Result, Route, handler, post};
use serde::{Deserialize, Serialize};

use bare_sled::BareSled;
use processor_time::processor_time;

/// How many clients there are.
const CLIENTS: [usize; 3] = [1, 32, 256];

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    id: usize,
    name: String,
    roles: Vec<String>,
}

#[handler]
async fn post_login(auth: Auth, UrlPath(id): UrlPath<usize>) -> Result<()> {
    auth.login(&User { id, name: format!("user {id}"), roles: vec!["admin".into()] }).await?;
    Ok(())
}

#[handler]
async fn post_refresh(auth: Auth) -> Result<()> {
    auth.refresh().await?;
    Ok(())
}

#[handler]
async fn post_logout(auth: Auth) -> Result<()> {
    Ok(auth.logout().await?)
}

type App = Arc<BoxEndpoint<'static, Response>>;

fn request(path: String, cookie: &str) -> Request {
    let request =
        Request::builder().method(Method::POST).uri_str(path).header(header::HOST, "127.0.0.1:3000");
    request.header(header::COOKIE, cookie).finish()
}

/// What came of a request: how long it took, and the cookies of its answer.
type Answer = (Duration, String);

/// Sends one request after the other.
async fn send(app: App, requests: Vec<Request>) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let start = Instant::now();
        let response = app.get_response(request).await;
        let took = start.elapsed();
        assert!(response.is_success(), "{}", response.status());
        let cookies = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|it| it.to_str().ok());
        let cookies: Vec<_> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        answers.push((took, cookies.join("; ")));
    }
    answers
}

/// Lets clients send requests at the same time. Says what each cost, and returns the cookies that they got.
async fn send_all(app: &App, what: &str, clients: usize, mut requests: Vec<Request>) -> Vec<String> {
    let (each, mut parts) = (requests.len() / clients, Vec::new());
    for _ in 0..clients {
        parts.push(requests.split_off(requests.len() - each));
    }
    let (start, before) = (Instant::now(), processor_time());
    let tasks: Vec<_> = parts.into_iter().map(|part| tokio::spawn(send(Arc::clone(app), part))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.expect("it ends"));
    }
    let (took, used) = (start.elapsed(), processor_time() - before);
    let (times, cookies): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    let p50 = median(times).as_secs_f64() * 1e6;
    println!("{}, p50 {p50:6.0} us", line(what, clients, cookies.len(), took, used));
    cookies
}

fn line(what: &str, clients: usize, count: usize, took: Duration, used: f64) -> String {
    let (rate, each) = (count as f64 / took.as_secs_f64(), used * 1e6 / count as f64);
    format!("{what:22} {clients:4} at once: {rate:7.0} a second, {each:5.1} us of processor time each")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How long a small write and its sync take, beside the store.
fn sync(directory: &Path) -> Duration {
    let mut file = std::fs::File::create(directory.join("probe")).expect("a file");
    let times = (0..100).map(|_| {
        let start = Instant::now();
        file.write_all(&[1; 1_024]).and_then(|()| file.sync_data()).expect("a write");
        start.elapsed()
    });
    median(times.collect())
}

/// What sled alone takes for as many logins, and for a sweep of them.
fn bare(directory: &Path, logins: usize) {
    let mut sled = BareSled::open(directory);
    let mut total = 0;
    for clients in CLIENTS {
        let groups = if clients == 1 { logins / 100 } else { logins / clients };
        let (start, before) = (Instant::now(), processor_time());
        (0..groups).for_each(|_| sled.add(clients));
        let used = processor_time() - before;
        total += groups * clients;
        println!("{}", line("sled alone: login", clients, groups * clients, start.elapsed(), used));
    }
    let (start, before) = (Instant::now(), processor_time());
    sled.sweep(32);
    println!("{}", line("sled alone: sweep", 32, total, start.elapsed(), processor_time() - before));
}

#[tokio::main]
async fn main() {
    let logins: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let directory = std::env::temp_dir().join(format!("jwtauth-bench-{}", std::process::id()));
    let store = SledStore::open(directory.join("sessions")).await.expect("the store opens");
    let builder = JwtAuth::builder().secret(*b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
    let jwtauth = builder.build(store).expect("good settings");
    let app = Route::new().at("/login/:id", post(post_login)).at("/refresh", post(post_refresh));
    let app: App = Arc::new(app.at("/logout", post(post_logout)).with(jwtauth.clone()).boxed());

    println!("one sync: {:.0} us", sync(&directory).as_secs_f64() * 1e6);
    let mut first = 0;
    for clients in CLIENTS {
        let ids = first..first + if clients == 1 { logins / 100 } else { logins };
        first = ids.end;
        let requests = ids.map(|id| request(format!("/login/{id}"), "")).collect();
        let cookies = send_all(&app, "login", clients, requests).await;
        let with = |path: &str, cookies: Vec<String>| {
            cookies.iter().map(|cookie| request(path.to_owned(), cookie)).collect::<Vec<_>>()
        };
        let cookies = send_all(&app, "refresh", clients, with("/refresh", cookies)).await;
        send_all(&app, "logout", clients, with("/logout", cookies)).await;
    }
    drop((app, jwtauth));
    bare(&directory.join("bare"), logins);
    std::fs::remove_dir_all(directory).expect("the store can be removed");
}
