//! What an application says of the clients it expects: proxies in front, and a header with an id.

use poem::http::{HeaderName, header};

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::web::client::Clients;
use crate::web::client::proxy::{Proxies, ProxyHeader};

/// Settings that were not checked yet.
#[derive(Debug, Default)]
pub(crate) struct ClientSettings {
    trusted_proxies: Vec<String>,
    proxy_header: ProxyHeader,
    id_header: Option<String>,
}

impl ClientSettings {
    /// Checks every setting.
    pub(crate) fn check(self) -> Result<Clients, ConfigError> {
        let mut proxies = Proxies::new(self.proxy_header);
        self.trusted_proxies.iter().try_for_each(|proxy| proxies.trust(proxy))?;
        let id_header = self.id_header.map(|name| match name.parse::<HeaderName>() {
            // They would be kept in the record, and shown in lists.
            Ok(secret)
                if [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(&secret) =>
            {
                Err(ConfigError::DeviceIdHeader { name, problem: "it holds secrets, which are not kept" })
            }
            Ok(name) => Ok(name),
            Err(_) => Err(ConfigError::DeviceIdHeader { name, problem: "it is no name of a header" }),
        });
        Ok(Clients { proxies, id_header: id_header.transpose()? })
    }
}

impl JwtAuthBuilder {
    /// Believes a proxy in front when it says for whom it asks: an address, a network as `10.0.0.0/8` or
    /// `fd00::/8`, or `unix:` for those that come by a Unix domain socket. May be called again.
    ///
    /// Without one the address of a client is that of its socket. With one the addresses that
    /// [`proxy_header`](Self::proxy_header) lists are followed from the right, past those that are trusted too, up to
    /// the first that is not: that is the client. What the client wrote itself stands left of it and counts for
    /// nothing. An entry that is no address ends the walk at the one before it.
    ///
    /// Sessions, [`LoginAttempt::client_address`](crate::LoginAttempt::client_address) and events have this address. A limit on attempts
    /// should go by it, and hence trust no more than the machines that run the proxies.
    ///
    /// | in front | write there | write here |
    /// |---|---|---|
    /// | nginx | `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;` | `.trusted_proxy("127.0.0.1")`, or where nginx runs |
    /// | Caddy | nothing: `reverse_proxy` sets `X-Forwarded-For` | the same |
    /// | a load balancer before nginx | as for nginx | `.trusted_proxy(..)` once for each of both |
    ///
    /// An IPv4 address also means its IPv6 form, `::ffff:10.0.0.1`. A text that is neither, a network with bits
    /// beyond its prefix, and one that would trust everybody are refused:
    /// [`ConfigError::TrustedProxy`].
    ///
    /// ```
    /// let builder = jwtauth::JwtAuth::builder().trusted_proxy("127.0.0.1").trusted_proxy("10.0.0.0/8");
    /// ```
    pub fn trusted_proxy(mut self, proxy: impl Into<String>) -> Self {
        self.clients.trusted_proxies.push(proxy.into());
        self
    }

    /// Sets the one header in which trusted proxies say for whom they ask. Default: `X-Forwarded-For`.
    ///
    /// Choose what the proxy itself writes: it lets the other one through as the client wrote it.
    pub fn proxy_header(mut self, header: ProxyHeader) -> Self {
        self.clients.proxy_header = header;
        self
    }

    /// Takes the id of a device from a header, such as `X-Device-Id`, that the application's own clients send.
    ///
    /// Up to 128 bytes of it are kept as [`Device::id`](crate::Device::id), without control characters. The client
    /// says it, and can say anything: use it to recognise a device, never to let one in.
    ///
    /// A name that is none, or that of a header with secrets, is refused:
    /// [`ConfigError::DeviceIdHeader`].
    pub fn device_id_header(mut self, name: impl Into<String>) -> Self {
        self.clients.id_header = Some(name.into());
        self
    }

    /// Takes access tokens from another header than `Authorization`, such as `X-Access-Token`, and no more from that one.
    ///
    /// For where a proxy in front uses `Authorization` itself. The scheme stands before the token here too:
    /// `X-Access-Token: Bearer eyJ..`. A name that is none, and one that browsers send on their own or for other
    /// sites, is refused: [`ConfigError::TokenHeader`].
    pub fn token_header(mut self, name: impl Into<String>) -> Self {
        self.token_header.name = Some(name.into());
        self
    }

    /// Takes access tokens under another scheme than `Bearer`, in any case of its letters. May be called again, to take several;
    /// `Bearer` is then one only if it is named.
    ///
    /// The first is the one that `WWW-Authenticate` names. A scheme that is no token of RFC 9110, and one that browsers send on their own, is
    /// refused: [`ConfigError::TokenScheme`].
    ///
    /// ```
    /// // What clients of an older API send: `Authorization: JWT eyJ..`
    /// let builder = jwtauth::JwtAuth::builder().token_scheme("JWT").token_scheme("Bearer");
    /// ```
    pub fn token_scheme(mut self, scheme: impl Into<String>) -> Self {
        self.token_header.schemes.push(scheme.into());
        self
    }
}
