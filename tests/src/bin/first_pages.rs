//! The program of the documentation of `Pages`, to the letter: accounts and pages in 20 lines.

use jwtauth::{Account, AccountsConfig, JwtAuth, require_auth, shutdown_signal};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{EndpointExt, Route, Server, get, web::Html};

#[require_auth(redirect = "/account/login")]
async fn home(_user: Account) -> Html<&'static str> {
    Html("<!doctype html><html lang=en><title>Home</title><h1>Home</h1><a href=/account/devices>Account</a>")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (auth, stop) = (JwtAuth::builder().secret_file("data/secret"), shutdown_signal());
    let auth = auth.accounts(AccountsConfig::default()).open("data/store").await?;
    let app = Route::new().at("/", get(home)).nest("/account", auth.pages()?.home("/")?).with(auth);
    let address = std::env::var("JWTAUTH_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".into());
    let acceptor = TcpListener::bind(address).into_acceptor().await?;
    println!("listening on http://{}", acceptor.local_addr()[0].as_socket_addr().ok_or("no TCP")?);
    Ok(Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(app, stop, None).await?)
}
