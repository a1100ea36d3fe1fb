//! An app served over real HTTP, in this process, so that its clock can be moved.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, Listener as _, TcpAcceptor, TcpListener};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, IntoEndpoint, Server};
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

/// Accepts connections of this machine as if they came from another address.
struct Disguised {
    acceptor: TcpAcceptor,
    peer: Arc<Mutex<IpAddr>>,
}

impl Acceptor for Disguised {
    type Io = <TcpAcceptor as Acceptor>::Io;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.acceptor.local_addr()
    }

    async fn accept(&mut self) -> std::io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let (io, local, _, scheme) = self.acceptor.accept().await?;
        let peer = *self.peer.lock().expect("no test panics while it holds the address");
        Ok((io, local, RemoteAddr(Addr::SocketAddr(SocketAddr::new(peer, 4000))), scheme))
    }
}

/// Serves an app that takes each new connection for one from the address that `peer` has then.
///
/// # Panics
///
/// If there is no port.
pub async fn serve_as<E>(peer: Arc<Mutex<IpAddr>>, app: E) -> Served
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let app = app.into_endpoint();
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("there is a port");
    let address = *acceptor.local_addr()[0].as_socket_addr().expect("an address of TCP");
    let task = tokio::spawn(async move {
        Server::new_with_acceptor(Disguised { acceptor, peer }).run(app).await.expect("the server runs");
    });
    Served { url: format!("http://{address}"), task }
}
