//! An app served over real HTTP, in this process, so that its clock can be moved.

use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{IntoEndpoint, Server};
use tokio::task::JoinHandle;

/// An app that is being served. Stops when dropped.
#[derive(Debug)]
pub struct Served {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    task: JoinHandle<()>,
}

impl Served {
    /// Returns the URL of a path.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves an app on a port that the system picks.
///
/// # Panics
///
/// If there is no port.
pub async fn serve<E>(app: E) -> Served
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    serve_at("127.0.0.1:0", app).await
}

/// Serves an app at an address that was free a moment ago.
///
/// # Panics
///
/// If it is not.
pub async fn serve_at<E>(address: &str, app: E) -> Served
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let app = app.into_endpoint();
    let acceptor = TcpListener::bind(address).into_acceptor().await.expect("there is a port");
    let address = *acceptor.local_addr()[0].as_socket_addr().expect("an address of TCP");
    let task = tokio::spawn(async move {
        Server::new_with_acceptor(acceptor).run(app).await.expect("the server runs");
    });
    Served { url: format!("http://{address}"), task }
}
