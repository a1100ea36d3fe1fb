//! A stream of server-sent events that ends when its user logs out, here or anywhere else.
//!
//! Run with `cargo run -p examples --example sse --features sse`, then:
//!
//! ```sh
//! curl -c jar -H 'content-type: application/json' -d '{"username":"alice","password":"wonderland"}' http://127.0.0.1:3000/login
//! curl -b jar -N http://127.0.0.1:3000/ticks
//! curl -b jar -X POST http://127.0.0.1:3000/logout # in another terminal: the stream ends
//! ```
//!
//! `JWTAUTH_ADDR` says where to listen. Sessions are in memory; `quickstart` keeps them, and hashes passwords.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jwtauth::{Auth, AuthUser, JwtAuth, Rejection, SessionEnd, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::Json;
use poem::web::sse::{Event, SSE};
use poem::{EndpointExt, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    #[auth(id)]
    name: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[handler]
async fn login(auth: Auth, Json(form): Json<Credentials>) -> Result<()> {
    if form.username != "alice" || form.password != "wonderland" {
        return Err(Rejection::InvalidCredentials.into());
    }
    auth.login(&User { name: form.username }).await?;
    Ok(())
}

#[handler]
async fn logout(auth: Auth) -> Result<()> {
    Ok(auth.logout().await?)
}

#[require_auth]
async fn me(user: User) -> Json<User> {
    Json(user)
}

#[require_auth]
async fn ticks(user: User, end: SessionEnd) -> SSE {
    let ticks = stream::unfold(0, move |tick| {
        let event = Event::message(format!("{} {tick}", user.name));
        async move {
            if tick > 0 {
                sleep(Duration::from_secs(1)).await;
            }
            Some((event, tick + 1))
        }
    });
    // A browser connects again by itself when a stream ends; then it gets 401, and stops.
    let last = stream::once(async { Event::message("log in again").event_type("session-ended") });
    SSE::new(ticks.take_until(end.wait()).chain(last)).keep_alive(Duration::from_secs(15))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let app = Route::new()
        .at("/login", post(login.with(SizeLimit::new(16 * 1024))))
        .at("/logout", post(logout))
        .at("/me", get(me))
        .at("/ticks", get(ticks))
        .with(JwtAuth::dev()?);

    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(&address).into_acceptor().await?;
    let port = acceptor.local_addr().iter().find_map(|local| local.as_socket_addr().copied());
    let _ = writeln!(io::stdout(), "listening on http://{}", port.map_or(address, |port| port.to_string()));
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
