//! What the URL of a database says: where it is, and what of that may be shown.

use tokio_postgres::config::{ChannelBinding, Config, Host};

use super::postgres_config::PostgresConfig;

impl PostgresConfig {
    /// What to do about a password that ends too early.
    pub(super) const ENCODE: &str = "user or password has an `@`, which ends it: write %40 for it";

    /// Reads the URL. An error says what is wrong with it, and shows nothing of a password.
    pub(super) fn understood(&self) -> Result<Config, String> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|start| self.url.starts_with(start));
        // No word of the other form has a `:`. The driver's error would show the whole text.
        if !is_url && self.url.split('=').next().is_some_and(|start| start.contains(':')) {
            return Err("it is `postgres://user@host/database`, or of the form `host=.. user=..`".into());
        }
        let parsed = self.parsed();
        if self.is_ambiguous() {
            return Err(Self::ENCODE.into());
        }
        let config = parsed.map_err(|error| advised(crate::error::in_one_line(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host".into());
        }
        if config.get_channel_binding() == ChannelBinding::Require {
            let problem = "`channel_binding=require` is not supported: leave it out. The certificate of the server is verified all the same";
            return Err(problem.into());
        }
        Ok(config)
    }

    pub(in crate::store) fn has_password(&self) -> bool {
        self.password.is_some() || self.parsed().is_ok_and(|config| config.get_password().is_some())
    }

    /// Says which database it is, without user and password.
    pub(in crate::store) fn place(&self) -> String {
        let Ok(config) = self.parsed() else { return "a PostgreSQL database".into() };
        if self.is_ambiguous() {
            return "a PostgreSQL database".into();
        }
        let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| {
            let host = match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            let ports = config.get_ports();
            match ports.get(number).or(ports.first()) {
                Some(port) => format!("{host}:{port}"),
                None => host,
            }
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
        format!("postgres://{hosts}/{name} (schema {:?})", self.schema)
    }

    /// Tells whether a password has an `@` that ends it. The rest would be taken for something else, and
    /// shown.
    pub(super) fn is_ambiguous(&self) -> bool {
        match self.parsed() {
            Ok(config) => {
                let is_odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
                config.get_hosts().iter().any(is_odd)
            }
            Err(_) => self.url.matches('@').count() > 1,
        }
    }

    pub(super) fn parsed(&self) -> Result<Config, tokio_postgres::Error> {
        // What these ask for is always done where there is TLS, and the driver does not know them.
        let words = ["verify-full", "verify-ca"];
        let url = words
            .iter()
            .fold(self.url.clone(), |url, word| url.replace(&format!("sslmode={word}"), "sslmode=require"));
        url.parse()
    }

    /// Tells whether no connection leaves the machine.
    pub(super) fn is_local(&self, config: &Config) -> bool {
        let is_local = |host: &Host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        // An address, if there is one, is what is connected to.
        match config.get_hostaddrs() {
            [] => config.get_hosts().iter().all(is_local),
            addresses => addresses.iter().all(std::net::IpAddr::is_loopback),
        }
    }
}

/// Adds what to write in the place of what the driver does not know.
fn advised(problem: String) -> String {
    let advice = [
        (
            "`sslrootcert`",
            "name the file with `PostgresConfig::root_certificates`, or `--root-certificates` of the program",
        ),
        ("`sslmode`", "it is `disable`, `prefer` or `require`, which checks the certificate and its name"),
        ("`target_session_attrs`", "it is `any`, `read-write` or `read-only`"),
    ];
    match advice.iter().find(|(word, _)| problem.contains(word)) {
        Some((_, advice)) => format!("{problem}: {advice}"),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_neither_user_nor_password() {
        for (url, place) in [
            ("postgres://a:b@db.example.com/app", "postgres://db.example.com:5432/app"),
            ("postgres://a:b@one,two:5433/app?sslmode=verify-full", "postgres://one:5432,two:5433/app"),
            ("postgres://a:b@%2Frun%2Fpg:5433", "postgres:///run/pg:5433/a"),
            ("postgres://a:b@:x/app", "a PostgreSQL database"),
            ("postgres://a:b@c@db/app", "a PostgreSQL database"),
        ] {
            let place_of = PostgresConfig::new(url).place();
            assert!(place_of == place || place_of == format!("{place} (schema \"jwtauth\")"), "{place_of}");
        }
    }
}
