//! A front end of static files that speaks to the API by the client script: no build step, no framework.
//!
//! Run with `cargo run -p examples --example spa --features spa`, open <http://127.0.0.1:3000/>, and make an account. It
//! is in memory, and gone when the program ends. `JWTAUTH_ADDR` says where to listen, `JWTAUTH_FRONT_END` is the
//! origin of a development server that serves the files in `spa/`, such as `http://localhost:5173`. Their page then names
//! the API: `<meta name="api" content="http://localhost:3000">`.
//!
//! ```text
//! curl http://127.0.0.1:3000/app.js
//! curl http://127.0.0.1:3000/auth/client.js
//! curl -i http://127.0.0.1:3000/notes     # 401
//! ```

use std::env;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::{Account, AccountsConfig, JwtAuth, MemoryStore, require_auth, shutdown_signal};
use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::Cors;
use poem::web::{Data, Json};
use poem::{Endpoint, EndpointExt, Response, Route, Server, get};

type Notes = Arc<Mutex<Vec<String>>>;

#[require_auth]
async fn list_notes(_user: Account, notes: Data<&Notes>) -> Json<Vec<String>> {
    Json(notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

#[require_auth]
async fn add_note(user: Account, notes: Data<&Notes>, Json(text): Json<String>) -> StatusCode {
    let note = format!("{}: {text}", user.name);
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    StatusCode::NO_CONTENT
}

/// A file of the front end. Scripts come from this site only.
fn file(kind: &'static str, text: &'static str) -> impl Endpoint {
    make_sync(move |_| {
        let policy = "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'none'";
        Response::builder().content_type(kind).header("content-security-policy", policy).body(text)
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let port = acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?.port();
    let own = format!("http://localhost:{port}");
    // For http://localhost only: leave `insecure_cookies` out where there is https.
    let mut builder = JwtAuth::builder()
        .secret(jwtauth::keys::new_secret()?)
        .accounts(AccountsConfig::default())
        .insecure_cookies();
    let mut cors = Cors::new().allow_credentials(true).allow_origin(&own);
    if let Ok(front_end) = env::var("JWTAUTH_FRONT_END") {
        builder = builder.trusted_origin(&front_end);
        cors = cors.allow_origin(front_end);
    }
    if let Ok(seconds) = env::var("JWTAUTH_ACCESS_TTL") {
        builder = builder.access_ttl(Duration::from_secs(seconds.parse()?));
    }
    let jwtauth = builder.build(MemoryStore::new())?;
    let app = Route::new()
        .at("/", get(file("text/html; charset=utf-8", include_str!("spa/index.html"))))
        .at("/app.js", get(file("text/javascript; charset=utf-8", include_str!("spa/app.js"))))
        .nest("/auth", jwtauth.account_routes()?.client_script()?)
        .at("/notes", get(list_notes).post(add_note))
        .data(Notes::default())
        .with(jwtauth)
        .with(cors.allow_origin(format!("http://127.0.0.1:{port}")));
    let _ = writeln!(io::stdout(), "listening on http://127.0.0.1:{port}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
