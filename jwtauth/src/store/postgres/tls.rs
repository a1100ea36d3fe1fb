//! TLS for connections: rustls over AWS-LC, and the certificate of the server is always verified.

use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, client};

use crate::byte_order_mark::bytes_without_mark;
use crate::error::PostgresError;

/// Makes connections that are encrypted.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the certificates in a file, or those of the system.
    pub(super) fn new(root_certificates: Option<&Path>) -> Result<Self, PostgresError> {
        let refused = |problem: String| PostgresError::Setting { setting: "root_certificates", problem };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(error.to_string()))?;
        let builder = match root_certificates {
            None => builder.with_platform_verifier().map_err(|error| refused(error.to_string()))?,
            Some(path) => {
                let shown = path.display();
                let pem = fs::read(path).map_err(|error| refused(format!("cannot read {shown}: {error}")))?;
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(bytes_without_mark(&pem)) {
                    let certificate = certificate.map_err(|error| refused(format!("{shown}: {error}")))?;
                    roots.add(certificate).map_err(|error| refused(format!("{shown}: {error}")))?;
                }
                if roots.is_empty() {
                    return Err(refused(format!("{shown} has no certificate in PEM")));
                }
                builder.with_root_certificates(roots)
            }
        };
        Ok(Self(Arc::new(builder.with_no_client_auth())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = TlsTo;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<TlsTo> {
        // Asked for plain connections too, whose host may be no name at all.
        Ok(TlsTo { connector: TlsConnector::from(Arc::clone(&self.0)), host: domain.to_owned() })
    }
}

/// The same, to one host.
pub(super) struct TlsTo {
    connector: TlsConnector,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for TlsTo {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            self.connector.connect(name, stream).await.map(Encrypted).map_err(explained)
        })
    }
}

/// Says where an authority of one's own is named.
fn explained(error: io::Error) -> io::Error {
    let text = error.to_string();
    if !text.contains("UnknownIssuer") {
        return error;
    }
    let advice = "if the authority is one of your own, name the file with its certificate: \
                  `PostgresConfig::root_certificates`, or `--root-certificates` of the program";
    io::Error::new(error.kind(), format!("{text}: {advice}"))
}

/// A connection.
pub(super) struct Encrypted<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
