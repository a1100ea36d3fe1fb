//! Keys that sign and verify tokens: one algorithm per key, decided here and never by a token's header.
//!
//! # Invariants
//!
//! 1. Every `Key` is good: long enough, fit for its algorithm, and its two halves belong together.
//! 2. Private parts are redacted in `Debug` and overwritten when dropped.
//! 3. Access and refresh tokens never share a key (RFC 8725bis, section 3.12). Refresh tokens are signed by a
//!    key that is derived from the secret, so a service that has only keys of access tokens cannot use them.
//!    With [`Compat`](crate::Compat) they do share one, because another service accepts both. A `kid` that is
//!    made here identifies a key and reveals nothing about it.
//!
//! `initial_keys` makes the keys that a `JwtAuth` starts with, and `keyed_names` names that reveal nothing.
//! `der`, `pem` and `jwk` read the forms of a key, `parts` holds its contents, `public` its public half,
//! `strength` refuses weak secrets, and `backend` makes signatures.

mod algorithm;
mod backend;
mod der;
mod es512;
mod initial_keys;
pub(crate) mod jwk;
#[cfg(feature = "accounts")]
mod keyed_names;
mod parts;
mod pem;
mod public;
mod strength;

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::Value;
use zeroize::Zeroizing;

pub use self::algorithm::Algorithm;
use self::algorithm::Family;
use self::backend::{SignatureVerifier, Signer};
pub(crate) use self::initial_keys::Keys;
#[cfg(feature = "accounts")]
pub(crate) use self::keyed_names::KeyedNames;
use self::parts::{Material, Public};
use crate::byte_order_mark::without_mark;
use crate::error::KeyError;
use crate::secret::Secret;
use crate::secret::secret_file::{Exposed, SecretFile};

pub(crate) const MAX_KEYS: usize = 32;

/// The warning for keys with [`Key::leaks_time`].
pub(crate) const LEAKS_TIME: &str = "tokens are signed with RSA by RustCrypto, whose timing may tell something of the key (RUSTSEC-2023-0071): take the feature `aws_lc_rs`, or an ES256 or EdDSA key";

/// The longest file that is read as a key, in bytes.
const MAX_FILE: u64 = 64 * 1024;

#[doc = include_str!("../docs/key.md")]
#[derive(Clone)]
pub struct Key {
    kid: String,
    algorithm: Algorithm,
    /// Whether the algorithm is fixed: the key names it, or it was set.
    stated: bool,
    signer: Option<Signer>,
    verifier: SignatureVerifier,
    /// `None` for a secret.
    public: Option<Public>,
    expires_at: Option<u64>,
}

impl Key {
    /// Makes a key from a secret, for `HS256`, `HS384` or `HS512`. Make a secret with `openssl rand -base64
    /// 48`.
    ///
    /// Anyone who can verify with a secret can also sign. Use a key pair if services of other people verify.
    ///
    /// # Errors
    ///
    /// [`KeyError::Weak`] if the secret is shorter than 32, 48 or 64 bytes, can be guessed, or is a key file;
    /// [`KeyError::Algorithm`] if the algorithm takes no secret.
    pub fn hmac(algorithm: Algorithm, secret: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        Self::assemble(
            Material::Secret(Secret::new(secret.into())),
            Some(algorithm),
            None,
            strength::check_secret,
        )
    }

    /// Reads a private or public key from PEM text.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] or [`KeyError::Weak`], with the reason.
    pub fn from_pem(pem: impl AsRef<str>) -> Result<Self, KeyError> {
        Self::assemble(pem::read(without_mark(pem.as_ref()))?, None, None, strength::check_secret)
    }

    /// Reads a private or public key from DER bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] or [`KeyError::Weak`], with the reason.
    pub fn from_der(der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self::assemble(der::read(der.as_ref())?, None, None, strength::check_secret)
    }

    /// Reads a JWK, and checks its `alg`, `use` and `key_ops`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`], [`KeyError::Weak`] or [`KeyError::Algorithm`], with the reason.
    pub fn from_jwk(json: impl AsRef<str>) -> Result<Self, KeyError> {
        Self::of_jwk(without_mark(json.as_ref()), strength::check_secret)
    }

    /// Reads a set of keys (RFC 7517, section 5): the first 32 that can be used.
    ///
    /// The others are passed over, and the log says which and why, at level `warn`: a key of an unknown kind,
    /// a damaged or weak one, a second public one with the same `kid`, two secrets with the same `kid`, a
    /// secret beside key pairs. Keys for encryption are left out without a word.
    ///
    /// # Errors
    ///
    /// [`KeyError::Malformed`] if it is not a key set.
    pub fn from_jwks(json: impl AsRef<str>) -> Result<Vec<Self>, KeyError> {
        let set = jwk::read_set(without_mark(json.as_ref()), |jwk| Self::from_jwk(jwk))?;
        for skipped in set.skipped {
            tracing::warn!(target: "jwtauth", event = "key_skipped", "{skipped}");
        }
        Ok(set.keys)
    }

    /// Reads a file with PEM, DER or a JWK, of at most 64 KiB.
    ///
    /// A file with a private key or a secret should be for its owner alone (0600). What is said of the modes
    /// of [`secret_file`](crate::JwtAuthBuilder::secret_file) counts here too.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`], [`KeyError::FileMode`], [`KeyError::FileDirectory`], and the errors of the form
    /// that the file has.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let failed = |source| KeyError::File { path: path.into(), source };
        let mut file = SecretFile::open(path).map_err(failed)?;
        let bytes = file.read(MAX_FILE).map_err(failed)?;
        let key = match std::str::from_utf8(&bytes) {
            // The first byte of DER is an ASCII `0`, so check it: a whole DER key is never UTF-8 by chance.
            Ok(text) if !text.starts_with('0') => Self::of_text(text)?,
            _ => Self::from_der(&*bytes)?,
        };
        if key.can_sign() {
            file.protect().map_err(|exposed| match exposed {
                Exposed::File { mode } => KeyError::FileMode { path: path.into(), mode },
                Exposed::Directory { directory, mode } => {
                    KeyError::FileDirectory { path: path.into(), directory, mode }
                }
            })?;
        }
        Ok(key)
    }

    /// Reads an environment variable with PEM or a JWK. In a PEM of one line, `\n` stands for a line break.
    ///
    /// # Errors
    ///
    /// [`KeyError::MissingVariable`], and the errors of the form that the text has.
    pub fn from_env(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        let Ok(text) = std::env::var(&name) else { return Err(KeyError::MissingVariable { name }) };
        let text = Zeroizing::new(text);
        if text.contains('\n') {
            return Self::of_text(&text);
        }
        Self::of_text(&Zeroizing::new(text.replace("\\n", "\n")))
    }

    fn of_text(text: &str) -> Result<Self, KeyError> {
        let text = without_mark(text);
        if text.trim_ascii_start().starts_with('{') { Self::from_jwk(text) } else { Self::from_pem(text) }
    }

    fn of_jwk(json: &str, strength: Strength) -> Result<Self, KeyError> {
        let jwk::ParsedJwk { material, algorithm, kid } = jwk::read(json)?;
        if algorithm.is_none() && matches!(material, Material::Secret(_)) {
            return Err(KeyError::Malformed { problem: "a secret needs an `alg`" });
        }
        Self::assemble(material, algorithm, kid, strength)
    }

    /// Makes a key from a test vector. Its secret must have the right length, but may be 0, 1, 2, ..
    #[cfg(test)]
    pub(crate) fn of_vector(json: &str) -> Result<Self, KeyError> {
        Self::of_jwk(json, strength::check_len)
    }

    fn assemble(
        material: Material,
        algorithm: Option<Algorithm>,
        kid: Option<String>,
        strength: Strength,
    ) -> Result<Self, KeyError> {
        backend::install();
        let stated = algorithm.is_some();
        let key = match &material {
            Material::Secret(secret) => {
                let algorithm = algorithm.unwrap_or_default();
                jwk::fits(algorithm, Family::Hmac)?;
                strength(algorithm, secret.expose()).map_err(|problem| KeyError::Weak { problem })?;
                Self::of_secret(algorithm, secret.expose())
            }
            pair => {
                let signer = Signer::of(pair);
                let public = Public::of(pair, signer.as_ref())?;
                public.check()?;
                let algorithm = algorithm.unwrap_or(public.default_algorithm());
                jwk::fits(algorithm, public.family())?;
                let verifier = SignatureVerifier::of(&public);
                let kid = public.thumbprint();
                Self { kid, algorithm, stated, signer, verifier, public: Some(public), expires_at: None }
            }
        };
        key.try_out()?;
        match kid {
            Some(kid) => key.with_kid(kid),
            None => Ok(key),
        }
    }

    fn of_secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        Self {
            kid: BASE64URL.encode(&backend::derive(secret, b"jwtauth kid v1")[..8]),
            algorithm,
            stated: true,
            signer: Some(Signer::of_secret(secret)),
            verifier: SignatureVerifier::of_secret(secret),
            public: None,
            expires_at: None,
        }
    }

    /// Signs a test message, to find a private key that does not belong to its public key.
    fn try_out(&self) -> Result<(), KeyError> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let good = signer
            .sign(self.algorithm, b"jwtauth")
            .is_some_and(|signature| self.verify(b"jwtauth", &signature));
        if good {
            Ok(())
        } else {
            Err(KeyError::Malformed { problem: "its private and public parts do not fit" })
        }
    }

    /// Sets the algorithm of an RSA key that does not name one. Default: `RS256`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Algorithm`] if the key does not fit this algorithm, or names another one.
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Result<Self, KeyError> {
        jwk::fits(algorithm, self.public.as_ref().map_or(Family::Hmac, Public::family))?;
        if self.stated && algorithm != self.algorithm {
            let problem = "the key is for another one already";
            return Err(KeyError::Algorithm { algorithm: algorithm.name(), problem });
        }
        self.algorithm = algorithm;
        self.stated = true;
        self.try_out()?;
        Ok(self)
    }

    /// Changes the name (`kid`), which goes into the header of its tokens.
    ///
    /// # Errors
    ///
    /// [`KeyError::Kid`] unless it has 1 to 128 visible ASCII characters, without `"` and `\`.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        let kid = kid.into();
        let good = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if !(1..=128).contains(&kid.len()) || !kid.bytes().all(good) {
            return Err(KeyError::Kid);
        }
        self.kid = kid;
        Ok(self)
    }

    /// Makes the key expire at `at`, in Unix seconds. Until then it only verifies: for a key that is being
    /// retired.
    #[must_use]
    pub fn expires_at(mut self, at: u64) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Tells whether the key has a private part, or is a secret.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Returns the key without its private part; `None` for a secret, which has no public part.
    #[must_use]
    pub fn to_public(&self) -> Option<Self> {
        self.public.is_some().then(|| Self { signer: None, ..self.clone() })
    }

    /// Returns the public part as a JWK with `kid`, `alg` and `use`; `None` for a secret.
    #[must_use]
    pub fn to_jwk(&self) -> Option<Value> {
        let mut jwk = self.public.as_ref()?.members();
        jwk["kid"] = self.kid.as_str().into();
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        Some(jwk)
    }

    pub(crate) fn check_signs(&self) -> Result<(), KeyError> {
        let kid = || self.kid.clone();
        match (&self.signer, self.expires_at) {
            (None, _) => Err(KeyError::NotPrivate { kid: kid() }),
            (_, Some(_)) => Err(KeyError::Retired { kid: kid() }),
            _ => Ok(()),
        }
    }

    /// Tells whether a header may name this algorithm: the one of the key. That of Ed25519 has two names (RFC
    /// 9864, section 2.2), and a key that names none goes by both.
    pub(crate) fn goes_by(&self, alg: &str) -> bool {
        let both = !self.stated && self.algorithm == Algorithm::EdDSA;
        alg == self.algorithm.name() || both && alg == Algorithm::Ed25519.name()
    }

    pub(crate) fn expiry(&self) -> Option<u64> {
        self.expires_at
    }

    /// Tells whether it signs with RSA by a backend whose timing reveals something about the key
    /// (RUSTSEC-2023-0071).
    pub(crate) fn leaks_time(&self) -> bool {
        backend::RSA_SIGNING_LEAKS_TIME && self.can_sign() && self.algorithm.family() == Family::Rsa
    }

    /// Returns the signature of `message`, as the third part of a compact JWS. Call it only for keys that can
    /// sign.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        // OK because a ring asks `check_signs` first, and the key has signed a test message.
        let signer = self.signer.as_ref().expect("only a key that can sign is asked to");
        signer.sign(self.algorithm, message).expect("a key that was tried signs")
    }

    /// Tells whether `signature` belongs to `message`. A MAC is compared in full length and constant time
    /// (J-5).
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        self.verifier.verify(self.algorithm, message, signature)
    }
}

/// Returns the SHA-256 of a text under a label. It depends on no secret.
pub(crate) fn digest(label: &str, text: &str) -> [u8; 32] {
    sha256(&[label.as_bytes(), &[0], text.as_bytes()].concat())
}

/// Returns the SHA-256 of some bytes.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    // OK because the backend returns a whole digest.
    backend::sha256(data).try_into().expect("SHA-256 has 32 bytes")
}

/// Checks that a secret is strong enough for an algorithm.
type Strength = fn(Algorithm, &[u8]) -> Result<(), &'static str>;

impl fmt::Debug for Key {
    /// Shows no bytes of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("can_sign", &self.can_sign())
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

#[cfg(test)]
mod tests;
