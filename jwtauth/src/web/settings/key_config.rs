//! The settings of keys: the secret, the key of access tokens, and former keys. `Keys` checks them.

use std::path::PathBuf;

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::key::{Algorithm, Key, Keys};
use crate::secret::{self, Secret};

/// Settings of keys that only some applications need: another algorithm, former keys and future keys. Give
/// them to [`JwtAuthBuilder::keys`].
///
/// ```
/// use jwtauth::{JwtAuth, KeyConfig};
///
/// // The secret was changed. Sessions that were opened with the old one go on.
/// # let old_secret = [7; 32];
/// let builder = JwtAuth::builder()
///     .secret_from_env("JWTAUTH_SECRET")
///     .keys(KeyConfig::default().old_secret(old_secret));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct KeyConfig {
    algorithm: Option<Algorithm>,
    verify_keys: Vec<Key>,
    old_secrets: Vec<Secret>,
}

impl KeyConfig {
    /// Sets how access tokens are signed. Default: HS256, or the algorithm of the
    /// [`key`](JwtAuthBuilder::key).
    ///
    /// With the secret it is HS256, HS384 or HS512. With an RSA key that does not name its algorithm, it is
    /// an algorithm for RSA. Refresh tokens are HS256 under a key derived from the secret.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Also accepts access tokens that another key signed. May be called again.
    ///
    /// It is for the key that signed before this one, or will sign after it: see
    /// [`KeyRing`](crate::keys::KeyRing) for the order. Give a former key an expiry with [`Key::expires_at`].
    pub fn verify_key(mut self, key: Key) -> Self {
        self.verify_keys.push(key);
        self
    }

    /// Also accepts tokens that an earlier secret signed. May be called again.
    ///
    /// Refresh tokens of the old secret stay good, so no session ends. So do its access tokens, if there is
    /// no [`key`](JwtAuthBuilder::key). Remove it after [`refresh_ttl`](JwtAuthBuilder::refresh_ttl). If the
    /// old secret was stolen, do not name it here: without it, all sessions end at once.
    pub fn old_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.old_secrets.push(Secret::new(secret.into()));
        self
    }

    /// Puts all keys together, and checks each.
    pub(super) fn check(self, secret: SecretSource, key: Option<Key>) -> Result<Keys, ConfigError> {
        let which = secret.describe();
        let secret = secret.read()?;
        Keys::put_together(key, self.algorithm, &secret, &which, self.verify_keys, &self.old_secrets)
    }
}

/// Where the signing secret comes from.
#[derive(Debug, Default)]
pub(crate) enum SecretSource {
    #[default]
    Missing,
    Given(Secret),
    Variable(String),
    File(PathBuf),
}

impl SecretSource {
    /// Names the secret for messages.
    fn describe(&self) -> String {
        match self {
            Self::Missing | Self::Given(_) => "the signing secret".to_owned(),
            Self::Variable(name) => format!("the signing secret in the environment variable {name}"),
            Self::File(path) => format!("the signing secret in the file {path:?}"),
        }
    }

    fn read(self) -> Result<Secret, ConfigError> {
        match self {
            Self::Missing => Err(ConfigError::MissingSecret),
            Self::Given(secret) => Ok(secret),
            Self::Variable(name) => match std::env::var(&name) {
                Ok(secret) => secret::as_written(secret.into_bytes())
                    .map_err(|problem| ConfigError::SecretVariable { name, problem }),
                Err(std::env::VarError::NotUnicode(_)) => {
                    let problem = "it is not UTF-8: write text there, as `openssl rand -base64 48` makes it";
                    Err(ConfigError::SecretVariable { name, problem })
                }
                Err(std::env::VarError::NotPresent) => Err(ConfigError::MissingSecretVariable { name }),
            },
            Self::File(path) => secret::read_or_make(&path),
        }
    }
}

impl JwtAuthBuilder {
    /// Sets the bytes that access tokens are signed with. Make them with `openssl rand -base64 48`.
    ///
    /// They are used unchanged, so another service that has them can verify access tokens too.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = SecretSource::Given(Secret::new(secret.into()));
        self
    }

    /// Takes the secret from an environment variable, when the store is opened. Quotes around it are refused,
    /// and so is a name with `=` in front of it: `docker run --env-file` takes them for a part of the value.
    pub fn secret_from_env(mut self, name: impl Into<String>) -> Self {
        self.secret = SecretSource::Variable(name.into());
        self
    }

    /// Takes the secret from a file. If there is none, makes one with 384 random bits.
    ///
    /// White space around it is ignored. A file of this process's own user is made private (0600). One that
    /// somebody else has mounted is taken as it is, such as a credential of systemd or a secret of Docker or
    /// Kubernetes. The log warns of both. Two kinds are refused: a file that anybody can write, and one that
    /// others can read in a directory that anybody can write. So is what cannot be meant: a pipe or a device,
    /// a byte order mark, quotes around the secret, or a name and `=` in front of it.
    pub fn secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret = SecretSource::File(path.into());
        self
    }

    /// Signs access tokens with this key instead of the secret. With a key pair, others can verify tokens and
    /// cannot make them.
    ///
    /// A secret is still needed: refresh tokens are signed by a key derived from it. Services that verify
    /// access tokens do not need it. Keep the secret when this key changes: then no session ends.
    ///
    /// ```
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use jwtauth::{JwtAuth, Key};
    ///
    /// // openssl genpkey -algorithm ed25519 -out data/access.pem && chmod 600 data/access.pem
    /// let jwtauth = JwtAuth::builder()
    ///     .key(Key::from_file("data/access.pem")?)
    ///     .secret_file("data/secret")
    ///     .open("data/sessions")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the algorithm, former keys and future keys. Called again, the last value replaces the one before.
    pub fn keys(mut self, keys: KeyConfig) -> Self {
        self.keys = keys;
        self
    }
}
