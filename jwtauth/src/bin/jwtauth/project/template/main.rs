//! Serves the routes.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `JWTAUTH_ADDR` | `127.0.0.1:3000` | where to listen |
//! | `JWTAUTH_DATA` | `data` | the directory of the store |
//! | `JWTAUTH_SECRET_FILE` | `secret` in that directory | the signing secret; made if it is missing |
//! | `JWTAUTH_PROXY` | `127.0.0.1` | the address of a proxy in front |
//! | `RUST_LOG` | `info` | what is logged, to standard error |

use std::time::Duration;
use std::{env, error};

use jwtauth::{AccountsConfig, JwtAuth, shutdown_signal};
use poem::Server;
use poem::listener::{Acceptor, Listener, TcpListener};

use my_api::app;

#[tokio::main]
async fn main() -> Result<(), Box<dyn error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .init();
    let stop = shutdown_signal();
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
    let data = setting("JWTAUTH_DATA", "data");
    let auth = JwtAuth::builder()
        .secret_file(setting("JWTAUTH_SECRET_FILE", &format!("{data}/secret")))
        .trusted_proxy(setting("JWTAUTH_PROXY", "127.0.0.1"))
        .accounts(AccountsConfig::default())
        .open(format!("{data}/store"))
        .await?;
    let acceptor = TcpListener::bind(setting("JWTAUTH_ADDR", "127.0.0.1:3000"))
        .into_acceptor()
        .await?;
    println!(
        "listening on http://{}",
        acceptor.local_addr()[0].as_socket_addr().ok_or("no TCP")?
    );
    // Connections on which nothing happens are closed, so strangers cannot take all descriptors.
    let server = Server::new_with_acceptor(acceptor).idle_timeout(Duration::from_secs(60));
    Ok(server
        .run_with_graceful_shutdown(app(auth), stop, Some(Duration::from_millis(500)))
        .await?)
}
