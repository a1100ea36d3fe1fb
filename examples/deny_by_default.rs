//! Every route asks for a login, but those that are listed as public: a handler that nobody has guarded is closed.
//!
//! Run with `cargo run -p examples --example deny_by_default --features deny_by_default`, then:
//!
//! ```text
//! curl -i http://127.0.0.1:3000/posts/1       # public
//! curl -i http://127.0.0.1:3000/drafts        # 401, though the handler has no guard of its own
//! curl -i http://127.0.0.1:3000/nowhere       # 401: anonymous users do not learn which routes there are
//! curl -c jar -H 'content-type: application/json' -d '"wonderland"' http://127.0.0.1:3000/login
//! curl -b jar -c jar http://127.0.0.1:3000/drafts
//! curl -b jar -c jar -X POST http://127.0.0.1:3000/posts/1
//! ```
//!
//! `JWTAUTH_ADDR` says where to listen (default `127.0.0.1:3000`), `JWTAUTH_DATA` where data is kept (default
//! `./data/deny_by_default`).

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use jwtauth::{
    Auth, AuthUser, CurrentUser, JwtAuth, JwtAuthBuilder, Rejection, RequireAuth, shutdown_signal,
};
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::middleware::SizeLimit;
use poem::web::{Json, Path};
use poem::{Endpoint, EndpointExt, Result, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};

/// Names what anonymous users may do. Everything else asks for a login, and what is added tomorrow does too.
pub(crate) fn guarded(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder
        .deny_by_default(RequireAuth::new())
        .public("/") // the root page alone, not what is below it
        .public("POST /login")
        .public("POST /logout") // says yes to anybody, as nothing is there to end
        .public("GET /posts/{id}") // HEAD too, but no POST
        .public("/assets/") // everything below it
}

pub(crate) fn app(jwtauth: JwtAuth) -> impl Endpoint {
    Route::new()
        .at("/", get(home))
        .at("/login", post(login.with(SizeLimit::new(16 * 1024))))
        .at("/logout", post(logout))
        .at("/posts/:id", get(read).post(publish))
        .at("/drafts", get(drafts))
        .nest("/assets", Route::new().at("/style.css", get(style)))
        .with(jwtauth) // around all of it
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct User {
    #[auth(id)]
    name: String,
}

/// One user with one password; see `quickstart` for passwords as they should be kept.
#[handler]
async fn login(auth: Auth, Json(password): Json<String>) -> Result<()> {
    if password != "wonderland" {
        return Err(Rejection::InvalidCredentials.into());
    }
    auth.login(&User { name: "alice".into() }).await?;
    Ok(())
}

#[handler]
async fn logout(auth: Auth) -> Result<()> {
    Ok(auth.logout().await?)
}

#[handler]
fn home() -> &'static str {
    "Welcome.\n"
}

#[handler]
fn read(Path(id): Path<u64>) -> String {
    format!("Post {id}, for everybody.\n")
}

#[handler]
fn style() -> &'static str {
    "body { margin: 0 }\n"
}

/// Nobody wrote `#[require_auth]` here.
#[handler]
fn drafts() -> &'static str {
    "Not for strangers.\n"
}

#[handler]
fn publish(user: CurrentUser, Path(id): Path<u64>) -> String {
    format!("Post {id}, published by {}.\n", user.subject())
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let data = PathBuf::from(env::var_os("JWTAUTH_DATA").unwrap_or_else(|| "./data/deny_by_default".into()));
    let builder = guarded(JwtAuth::builder().secret_file(data.join("secret")));
    let jwtauth = builder.open(data.join("sessions")).await?;

    let listen = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(&listen).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("not a TCP address")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app(jwtauth), stop, Some(Duration::from_millis(500))).await?)
}
