//! What the URL of a database says: where it is, and what of that may be shown.

use tokio_postgres::config::{ChannelBinding, Config, Host};

use super::postgres_config::PostgresConfig;

impl PostgresConfig {
    /// Reads the URL. An error says what is wrong with it, and shows nothing of a password.
    pub(super) fn understood(&self) -> Result<Config, String> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|start| self.url.starts_with(start));
        // No word of the other form has one of these. The driver's error would show the whole text.
        if !is_url && self.url.split('=').next().is_some_and(|start| start.contains([':', '/'])) {
            return Err("it is `postgres://user@host/database`, or of the form `host=.. user=..`".into());
        }
        let parsed = self.parsed();
        if let Some((sign, code)) = self.misread() {
            return Err(format!(
                "user or password has `{sign}` in it, which means something else in a URL: write {code} for it, and %40 for each other `@`. Or leave the password out, and give it by itself: `PostgresConfig::password`, or PGPASSWORD for the program `jwtauth`"
            ));
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
        if self.misread().is_some() {
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

    /// Returns what in user or password has to be written in another way, and how. The rest of it would be
    /// taken for something else, such as the host, and shown.
    fn misread(&self) -> Option<(char, &'static str)> {
        let at_sign = Some(('@', "%40"));
        let parsed = self.parsed();
        let is_odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if parsed.as_ref().is_ok_and(|config| config.get_hosts().iter().any(is_odd)) {
            return at_sign;
        }
        let rest = ["postgres://", "postgresql://"].iter().find_map(|start| self.url.strip_prefix(start))?;
        // Of the settings behind the `?`, one may have an `@`.
        let read = if parsed.is_ok() { rest.split('?').next().unwrap_or(rest) } else { rest };
        if read.matches('@').count() > 1 {
            return at_sign;
        }
        // What the driver takes for them, whatever is in it. PostgreSQL's own programs end them at a `/`.
        let (credentials, _) = rest.split_once('@')?;
        let is_code = |two: &str| two.bytes().take_while(u8::is_ascii_hexdigit).count() >= 2;
        match credentials.find(['/', '?']) {
            Some(at) if credentials[at..].starts_with('/') => Some(('/', "%2F")),
            Some(_) => Some(('?', "%3F")),
            None if !credentials.split('%').skip(1).all(is_code) => Some(('%', "%25")),
            None => None,
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
            ("postgres://a:b@c/d@db/app", "a PostgreSQL database"),
            ("postgres://db/app?user=a&password=b@c", "a PostgreSQL database"),
            ("postgres://a@db/app?application_name=b@c", "postgres://db:5432/app"),
        ] {
            let place_of = PostgresConfig::new(url).place();
            assert!(place_of == place || place_of == format!("{place} (schema \"jwtauth\")"), "{place_of}");
        }
    }

    #[test]
    fn o_15_a_password_that_is_not_encoded_is_named_and_never_shown() {
        for (password, code) in [
            ("pa@55word", "%40"),
            ("pa@55/word", "%40"),
            ("pa/55@word", "%40"),
            ("pa@55?word", "%40"),
            ("pa/55word", "%2F"),
            ("pa?55word", "%3F"),
            ("pa%word", "%25"),
            ("55word%", "%25"),
        ] {
            let config = PostgresConfig::new(format!("postgres://app:{password}@db.example.com/app"));
            let problem = config.understood().unwrap_err();
            assert!(problem.contains(&format!("write {code} for it")), "{password}: {problem}");
            for part in ["55", "word\""] {
                assert!(!problem.contains(part) && !config.place().contains(part), "{password}: {problem}");
            }
        }
        for (written, password) in
            [("pa:55#word", "pa:55#word"), ("pa%40%2f%25word", "pa@/%word"), ("pa&=+word", "pa&=+word")]
        {
            let config = PostgresConfig::new(format!("postgres://app:{written}@db.example.com/app"));
            let config = config.understood().unwrap();
            assert_eq!(config.get_password(), Some(password.as_bytes()));
            assert_eq!(config.get_hosts(), [Host::Tcp("db.example.com".into())]);
        }
        let misplaced = PostgresConfig::new("postgres://db/app?user=app&password=pa55@word");
        assert!(misplaced.understood().unwrap_err().contains("%40 for each other `@`"));
    }
}
