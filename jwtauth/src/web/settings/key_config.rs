//! What an application says of its keys: a secret, a key of access tokens, and those that were in use before them.

use std::path::PathBuf;

use super::JwtAuthBuilder;
use crate::error::ConfigError;
use crate::key::{Algorithm, Key, Keys};
use crate::secret::{self, Secret};

/// Settings that were not checked yet.
#[derive(Debug, Default)]
pub(crate) struct KeySettings {
    secret: SecretSource,
    key: Option<Key>,
    verify_keys: Vec<Key>,
    old_secrets: Vec<Secret>,
    algorithm: Option<Algorithm>,
}

#[derive(Debug, Default)]
enum SecretSource {
    #[default]
    Missing,
    Given(Secret),
    Variable(String),
    File(PathBuf),
}

impl KeySettings {
    /// Reads the secret, and checks it and every key.
    pub(crate) fn read(self) -> Result<Keys, ConfigError> {
        let which = match &self.secret {
            SecretSource::Missing | SecretSource::Given(_) => "the signing secret".to_owned(),
            SecretSource::Variable(name) => format!("the signing secret in the environment variable {name}"),
            SecretSource::File(path) => format!("the signing secret in the file {path:?}"),
        };
        let secret = self.secret.read()?;
        Keys::put_together(self.key, self.algorithm, &secret, &which, self.verify_keys, &self.old_secrets)
    }
}

impl SecretSource {
    fn read(self) -> Result<Secret, ConfigError> {
        match self {
            Self::Missing => Err(ConfigError::MissingSecret),
            Self::Given(secret) => Ok(secret),
            Self::Variable(name) => match std::env::var(&name) {
                Ok(secret) => Ok(Secret::new(secret.into_bytes())),
                Err(_) => Err(ConfigError::MissingSecretVariable { name }),
            },
            Self::File(path) => secret::read_or_make(&path),
        }
    }
}

impl JwtAuthBuilder {
    /// Takes the bytes that access tokens are signed with. Make them with `openssl rand -base64 48`.
    ///
    /// They are used as they are, so another service that has them can verify access tokens too.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.keys.secret = SecretSource::Given(Secret::new(secret.into()));
        self
    }

    /// Takes the secret from an environment variable, when the store is opened.
    pub fn secret_from_env(mut self, name: impl Into<String>) -> Self {
        self.keys.secret = SecretSource::Variable(name.into());
        self
    }

    /// Takes the secret from a file, and makes one with 384 random bits if there is none yet.
    ///
    /// White space around it does not count. The file must be readable by its owner only (0600),
    /// and is made so.
    pub fn secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys.secret = SecretSource::File(path.into());
        self
    }

    /// Signs access tokens with this key instead of the secret, so that others can verify them who cannot
    /// make them.
    ///
    /// A secret is needed all the same: refresh tokens are signed by a key derived from it, which nobody has
    /// to know who verifies access tokens. Keep it when this key changes, and no session ends.
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
        self.keys.key = Some(key);
        self
    }

    /// Takes one more key whose access tokens are good. May be called again.
    ///
    /// For the key that signed before this one, or will sign after it: see [`KeyRing`](crate::keys::KeyRing) for the
    /// order. Give the former an end with [`Key::expires_at`].
    pub fn verify_key(mut self, key: Key) -> Self {
        self.keys.verify_keys.push(key);
        self
    }

    /// Takes the secret that was in use before this one. May be called again.
    ///
    /// Its refresh tokens stay good, so no session ends, and so do its access tokens if there is no
    /// [`key`](Self::key). Leave it away after [`refresh_ttl`](Self::refresh_ttl); leave it away at once to end all
    /// sessions, when it was stolen.
    pub fn old_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.keys.old_secrets.push(Secret::new(secret.into()));
        self
    }

    /// Sets how access tokens are signed: HS256, HS384 or HS512 with the secret, or, with an RSA
    /// [`key`](Self::key) that does not name its algorithm, one of RSA's.
    ///
    /// Refresh tokens are HS256 under a key derived from the secret.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.keys.algorithm = Some(algorithm);
        self
    }
}
