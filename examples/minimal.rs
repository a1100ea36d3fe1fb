//! Accounts, ready-made routes and one guarded handler: everything an API with logins needs, in one binary.
//!
//! Run with `cargo run -p examples --example minimal`, and then:
//!
//! ```sh
//! curl -H 'content-type: application/json' -d '{"username":"alice","password":"wonderland"}' http://127.0.0.1:3000/auth/register
//! curl -c jar -H 'content-type: application/json' -d '{"username":"alice","password":"wonderland"}' http://127.0.0.1:3000/auth/obtain
//! curl -b jar http://127.0.0.1:3000/me
//! ```
//!
//! `JWTAUTH_ADDR` says where to listen, `JWTAUTH_DATA` where data is kept (default `data`). On more than one machine run
//! `cargo run -p examples --example minimal --features postgres`, with `JWTAUTH_STORE=postgres://..` and one secret.

use std::time::Duration;
use std::{env, error, io, io::Write as _};

use jwtauth::{Account, AccountsConfig, JwtAuth, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{EndpointExt, Route, Server, get};

#[require_auth]
async fn me(user: Account) -> String {
    format!("hello, {}", user.name)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let data = env::var("JWTAUTH_DATA").ok().filter(|data| !data.is_empty()).unwrap_or("data".into());
    let auth = JwtAuth::builder().secret_file(format!("{data}/secret")).accounts(AccountsConfig::default());
    let auth = auth.open(env::var("JWTAUTH_STORE").unwrap_or_else(|_| format!("{data}/store"))).await?;
    let app = Route::new().nest("/auth", auth.account_routes()?).at("/me", get(me)).with(auth);
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no TCP")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}"); // nobody may hear it
    let server = Server::new_with_acceptor(acceptor).idle_timeout(Duration::from_secs(60));
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
