//! Which of the hosts of a URL a new connection leads to.
//!
//! # Invariants
//!
//! 1. A host that says nothing costs a share of the time for a connection, and the next one is asked: also
//!    one that takes connections and lets nobody in, as a machine that was frozen does.
//! 2. The host that let in last is asked first, unless the URL wants connections to be spread.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::{Client, Config, Error};

use super::tls::Tls;

/// Asks one host after the other.
pub(super) struct HostChoice {
    /// Each with one host.
    hosts: Vec<Config>,
    tls: Tls,
    /// How long each is waited for.
    share: Duration,
    /// Which one is asked first.
    first: AtomicUsize,
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
        let share = config.get_connect_timeout().map_or(share, |asked| share.min(*asked));
        let spreads = config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        Self { hosts, tls, share, first: AtomicUsize::new(0), spreads }
    }

    async fn connect_to_one(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let first = match self.spreads {
            true => self.first.fetch_add(1, Ordering::Relaxed),
            false => self.first.load(Ordering::Relaxed),
        };
        let mut refused = None;
        for number in (0..self.hosts.len()).map(|step| first.wrapping_add(step) % self.hosts.len()) {
            match timeout(self.share, self.hosts[number].connect(self.tls.clone())).await {
                Ok(Ok((client, connection))) => {
                    if !self.spreads {
                        self.first.store(number, Ordering::Relaxed);
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
