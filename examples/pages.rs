//! Ready-made pages (log in, register, change the password, devices), those for admins, and one page of one's own.
//!
//! Run with `cargo run -p examples --example pages --features pages`, open <http://127.0.0.1:3000/notes>, and make an
//! account. It is in memory, and gone when the program ends. `JWTAUTH_ADDR` says where to listen. With the name of an admin
//! in `JWTAUTH_ADMIN` and a password in `JWTAUTH_ADMIN_PASSWORD`, there is one for <http://127.0.0.1:3000/admin>.
//!
//! ```text
//! curl -i -H 'accept: text/html' 'http://127.0.0.1:3000/notes?page=2'   # 303 /account/login?next=/notes%3Fpage%3D2
//! curl -i http://127.0.0.1:3000/notes                                   # no page was asked for: 401
//! curl -i -c jar -d 'username=alice&password=wonderland&next=/notes' http://127.0.0.1:3000/account/register
//! curl -b jar http://127.0.0.1:3000/account/devices
//! curl -b jar -H 'sec-fetch-site: cross-site' -X POST http://127.0.0.1:3000/account/logout  # another site's page: 403
//! ```
//! No form has a hidden token: whether another site's page sent it, the browser says by itself.

use std::env;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtauth::{Account, JwtAuth, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::{Data, Form, Html, Redirect};
use poem::{EndpointExt, Route, Server, get};
use serde::Deserialize;

type Notes = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

/// Everything that comes from a user goes through here on its way into a page.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// The page of one's own. Anonymous users are sent to the login, and back.
#[require_auth(redirect = "/account/login")]
async fn show_notes(user: Account, notes: Data<&Notes>) -> Html<String> {
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let items: String =
        notes.iter().map(|(name, text)| format!("<li>{}: {}", escaped(name), escaped(text))).collect();
    let name = escaped(&user.name);
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Notes</title><h1>Notes</h1>\
         <p>Hello, {name}! <a href=/account/devices>Your devices</a></p><ul>{items}</ul>\
         <form method=post action=/notes><label>Note <input name=text required></label><button>Add</button></form>"
    ))
}

#[require_auth]
async fn add_note(user: Account, notes: Data<&Notes>, Form(note): Form<NewNote>) -> Redirect {
    notes.lock().unwrap_or_else(PoisonError::into_inner).push((user.name, note.text));
    Redirect::see_other("/notes")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = format!("info,{}", env::var("RUST_LOG").unwrap_or_default());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(io::stderr).log_internal_errors(false).init();
    let stop = shutdown_signal();
    let jwtauth = JwtAuth::dev()?;
    let accounts = jwtauth.accounts().ok_or("accounts are off")?;
    accounts.first_admin_from_env("JWTAUTH_ADMIN", "JWTAUTH_ADMIN_PASSWORD").await?;
    let app = Route::new()
        .nest("/account", jwtauth.pages()?.site_name("Notes").home("/notes")?)
        .nest("/admin", jwtauth.admin_pages()?.site_name("Notes"))
        .at("/notes", get(show_notes).post(add_note))
        .data(Notes::default())
        .with(jwtauth);
    let address = env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    let address = *acceptor.local_addr()[0].as_socket_addr().ok_or("no address of TCP")?;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let server = Server::new_with_acceptor(acceptor);
    Ok(server.run_with_graceful_shutdown(app, stop, Some(Duration::from_millis(500))).await?)
}
