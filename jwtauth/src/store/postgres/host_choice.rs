//! Which of the hosts of a URL a new connection leads to.
//!
//! # Invariants
//!
//! 1. A host that says nothing costs a share of the time for a connection, and the next one is asked: also
//!    one that takes connections and lets nobody in, as a machine that was frozen does. Each address of a
//!    name is such a host.
//! 2. The host that let in last is asked first, unless the URL wants connections to be spread.
//! 3. Of several, one that takes changes is chosen.

use std::future::{Future, pending};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};

use super::tls::Tls;

/// Where a server listens if nobody says where.
const PORT: u16 = 5432;

/// Asks one host after the other.
pub(super) struct HostChoice {
    /// Each with one host.
    hosts: Vec<Config>,
    tls: Tls,
    /// How long each is waited for, with all of its addresses.
    share: Duration,
    /// How long an address is waited for at most.
    longest: Option<Duration>,
    /// Which one is asked first.
    first: AtomicUsize,
    /// Which of its addresses has let in last.
    address: Mutex<Option<IpAddr>>,
    /// Whether each connection begins with the next host (`load_balance_hosts=random`).
    spreads: bool,
}

impl HostChoice {
    /// `limit` is the time that there is for a connection.
    pub(super) fn new(config: &Config, tls: Tls, limit: Duration) -> Self {
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let hosts: Vec<_> = (0..count).map(|number| of_one_host(config, number)).collect();
        let share = limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        // Somebody may want to wait for less.
        let longest = config.get_connect_timeout().copied();
        let spreads = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        Self { hosts, tls, share, longest, first: AtomicUsize::new(0), address: Mutex::default(), spreads }
    }

    /// Returns the settings for each address of a host.
    async fn addresses_of(&self, number: usize) -> Vec<Config> {
        let host = &self.hosts[number];
        let (Some(Host::Tcp(name)), []) = (host.get_hosts().first(), host.get_hostaddrs()) else {
            return vec![host.clone()];
        };
        let port = host.get_ports().first().copied().unwrap_or(PORT);
        // The driver says why a name is not found.
        let Ok(Ok(found)) = timeout(self.share, lookup_host((&**name, port))).await else {
            return vec![host.clone()];
        };
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map(|found| found.ip()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let last = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.sort_by_key(|address| Some(*address) != last);
        let is_one_of_many = addresses.len() > 1;
        let settings = addresses.into_iter().map(|address| {
            let mut one = host.clone();
            one.hostaddr(address);
            if is_one_of_many {
                one.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            one
        });
        settings.collect()
    }

    async fn connect_to_one(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let first = match self.spreads {
            true => self.first.fetch_add(1, Ordering::Relaxed),
            false => self.first.load(Ordering::Relaxed),
        };
        let mut refused = None;
        for number in (0..self.hosts.len()).map(|step| first.wrapping_add(step) % self.hosts.len()) {
            let addresses = self.addresses_of(number).await;
            let share = self.share / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
            let share = self.longest.map_or(share, |longest| share.min(longest));
            for address in addresses {
                match timeout(share, address.connect(self.tls.clone())).await {
                    Ok(Ok((client, connection))) => {
                        if !self.spreads {
                            self.first.store(number, Ordering::Relaxed);
                            let known = address.get_hostaddrs().first().copied();
                            *self.address.lock().unwrap_or_else(PoisonError::into_inner) = known;
                        }
                        let task = tokio::spawn(async move {
                            if let Err(error) = connection.await {
                                tracing::debug!(target: "jwtauth", error = &error as &dyn std::error::Error, "a connection to PostgreSQL broke");
                            }
                        });
                        return Ok((client, task));
                    }
                    Ok(Err(error)) => refused = Some(error),
                    // It says nothing.
                    Err(_) => {}
                }
            }
        }
        match refused {
            Some(error) => Err(error),
            // The pool says how long it has waited.
            None => pending().await,
        }
    }
}

impl Connect for HostChoice {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.connect_to_one())
    }
}

/// Returns the same settings with one of the hosts.
fn of_one_host(config: &Config, number: usize) -> Config {
    let mut one = Config::new();
    let ports = config.get_ports();
    if let Some(port) = ports.get(number).or(ports.first()) {
        one.port(*port);
    }
    match config.get_hosts().get(number) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(number) {
        one.hostaddr(*address);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(limit) = config.get_connect_timeout() {
        one.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*limit);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    one.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.target_session_attrs(config.get_target_session_attrs());
    one
}
