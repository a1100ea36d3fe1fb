//! The settings of clients and proxies: trusted proxies, and headers with unusual names. `client::proxy`
//! checks the proxies, `headers::token_header` the header of tokens.

use poem::http::{HeaderName, header};

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::web::client::Clients;
use crate::web::client::proxy::{Proxies, ProxyHeader};
use crate::web::client::proxy_hint::ProxyHint;
use crate::web::headers::token_header::TokenHeader;

/// Settings of the headers that clients and proxies send. Give them to [`JwtAuthBuilder::clients`].
///
/// ```
/// use jwtauth::{ClientConfig, JwtAuth};
///
/// // Clients of an older API send `Authorization: JWT eyJ..`
/// let clients = ClientConfig::default().token_scheme("JWT").token_scheme("Bearer");
/// let builder = JwtAuth::builder().clients(clients);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientConfig {
    proxy_header: ProxyHeader,
    device_id_header: Option<String>,
    token_header: Option<String>,
    token_schemes: Vec<String>,
}

impl ClientConfig {
    /// Sets the one header in which [trusted proxies](JwtAuthBuilder::trusted_proxy) write the address of the
    /// client. Default: `X-Forwarded-For`.
    ///
    /// Choose the one that your proxy writes. It passes the other one on as the client wrote it.
    pub fn proxy_header(mut self, header: ProxyHeader) -> Self {
        self.proxy_header = header;
        self
    }

    /// Takes the id of a device from a header that the application's own clients send, such as `X-Device-Id`.
    /// Default: no header.
    ///
    /// Up to 128 bytes are kept as [`Device::id`](crate::Device::id), without control characters. The client
    /// chooses the id: use it to recognise a device, never to give access.
    ///
    /// A text that is no header name is refused. So is a header that holds secrets.
    pub fn device_id_header(mut self, name: impl Into<String>) -> Self {
        self.device_id_header = Some(name.into());
        self
    }

    /// Takes access tokens from another header in place of `Authorization`, such as `X-Access-Token`.
    ///
    /// It is for applications behind a proxy that uses `Authorization` itself. The scheme stands before the
    /// token here too: `X-Access-Token: Bearer eyJ..`. A text that is no header name is refused. So is a
    /// header that browsers send on their own or for other sites.
    pub fn token_header(mut self, name: impl Into<String>) -> Self {
        self.token_header = Some(name.into());
        self
    }

    /// Takes access tokens with another scheme in place of `Bearer`; case does not matter. May be called
    /// again, for several schemes. `Bearer` is then accepted only if it is named too.
    ///
    /// `WWW-Authenticate` names the first one. A scheme that is not a token of RFC 9110 is refused. So is one
    /// that browsers send on their own.
    pub fn token_scheme(mut self, scheme: impl Into<String>) -> Self {
        self.token_schemes.push(scheme.into());
        self
    }

    /// Checks every setting, and the trusted proxies.
    pub(crate) fn check(self, trusted_proxies: &[String]) -> Result<(Clients, TokenHeader), ConfigError> {
        let mut proxies = Proxies::new(self.proxy_header);
        trusted_proxies.iter().try_for_each(|proxy| proxies.trust(proxy))?;
        let id_header = self.device_id_header.map(device_id_header).transpose()?;
        let token_header = TokenHeader::new(self.token_header, self.token_schemes)?;
        Ok((Clients { proxies, id_header, proxy_hint: ProxyHint::default() }, token_header))
    }
}

fn device_id_header(name: String) -> Result<HeaderName, ConfigError> {
    let refuse = |name, problem: &'static str| {
        Err(ConfigError::setting("ClientConfig::device_id_header", name, problem))
    };
    match name.parse::<HeaderName>() {
        // The value is kept in the record, and shown in lists.
        Ok(secret)
            if [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(&secret) =>
        {
            refuse(
                name,
                "it holds secrets, which are not kept: take a header of your own, such as X-Device-Id",
            )
        }
        Ok(parsed) => Ok(parsed),
        Err(_) => refuse(name, "it is no header name"),
    }
}

impl JwtAuthBuilder {
    /// Sets which headers clients and proxies send. Called again, the last value replaces the one before.
    pub fn clients(mut self, clients: ClientConfig) -> Self {
        self.clients = clients;
        self
    }

    #[doc = include_str!("../../docs/trusted_proxy.md")]
    pub fn trusted_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.trusted_proxies.push(proxy.into());
        self
    }
}
