//! Keys that sign tokens: one algorithm per key, decided here and never by a token's header.
//!
//! The bytes an operator gives are the key of access tokens. Refresh tokens are signed by a key
//! derived from them, so neither kind can pass for the other (RFC 8725bis, section 3.12), and
//! `kid` is derived too, so it tells keys apart without telling anything of them.
//!
//! # Why RustCrypto signs by default
//!
//! jsonwebtoken 11.1 wants one of two backends. Measured on two cores, rustc 1.95, a 365-byte
//! HS256 token, `crypto::verify` alone, least of several rounds; cold release build of jsonwebtoken
//! with everything below it:
//!
//! | backend | cold build, wall / CPU | one verify | advisories |
//! |---|---|---|---|
//! | `rust_crypto` | 25 s / 47 s | 414 ns | RUSTSEC-2023-0071 (`rsa`: timing of *private*-key operations) |
//! | `aws_lc_rs` | 33 s / 61 s, needs a C compiler | 615 ns | none |
//!
//! No RSA private key is used here yet, so the advisory does not reach us. The feature `aws_lc_rs`
//! takes the other one; with both on, that one is used.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{DecodingKey, EncodingKey, crypto};

use crate::error::ConfigError;
use crate::secret::Secret;

#[cfg(not(any(feature = "rust_crypto", feature = "aws_lc_rs")))]
compile_error!("jwtauth needs one of its features `rust_crypto` (default) and `aws_lc_rs`");

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256; the secret has at least 32 bytes (RFC 7518, section 3.2). The default.
    #[default]
    HS256,
    /// HMAC with SHA-384; the secret has at least 48 bytes.
    HS384,
    /// HMAC with SHA-512; the secret has at least 64 bytes.
    HS512,
}

impl Algorithm {
    /// Returns the name that stands in a token's header (RFC 7518, section 3.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// Returns the least length of a secret, in bytes.
    #[must_use]
    pub const fn min_secret_len(self) -> usize {
        match self {
            Self::HS256 => 32,
            Self::HS384 => 48,
            Self::HS512 => 64,
        }
    }

    const fn backend(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
            Self::HS384 => jsonwebtoken::Algorithm::HS384,
            Self::HS512 => jsonwebtoken::Algorithm::HS512,
        }
    }
}

/// A key, its algorithm and its name.
#[derive(Clone)]
pub(crate) struct Key {
    kid: String,
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    fn new(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let encoding = EncodingKey::from_secret(bytes);
        let kid = BASE64URL.encode(&derive(&encoding, b"jwtauth kid v1")[..8]);
        Self { kid, algorithm, encoding, decoding: DecodingKey::from_secret(bytes) }
    }

    /// Makes a key of a test vector, which has a name of its own and may be 0, 1, 2, ..
    #[cfg(test)]
    pub(crate) fn named(kid: &str, algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        install_backend();
        let long_enough = bytes.len() >= algorithm.min_secret_len();
        long_enough.then(|| Self { kid: kid.into(), ..Self::new(algorithm, bytes) })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the signature of `message`, as the third part of a compact JWS.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        crypto::sign(message, &self.encoding, self.algorithm.backend()).expect("HMAC signs with any key")
    }

    /// Tells whether `signature` belongs to `message`; the comparison is of full length and in constant time (J-5).
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.decoding, self.algorithm.backend()).unwrap_or(false)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}

/// The key of access tokens and the key of refresh tokens.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) access: Key,
    pub(crate) refresh: Key,
}

impl Keys {
    /// Makes both keys from one secret, which must be a good one.
    pub(crate) fn from_secret(algorithm: Algorithm, secret: &Secret) -> Result<Self, ConfigError> {
        install_backend();
        let bytes = secret.expose();
        check_secret(algorithm, bytes).map_err(|problem| ConfigError::WeakSecret { problem })?;
        let access = Key::new(algorithm, bytes);
        let refresh = Secret::new(derive(&access.encoding, b"jwtauth refresh key v1"));
        Ok(Self { refresh: Key::new(Algorithm::HS256, refresh.expose()), access })
    }
}

/// Names the backend to jsonwebtoken, which panics when an application's other dependencies switch on both.
fn install_backend() {
    #[cfg(feature = "aws_lc_rs")]
    let provider = &crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
    let provider = &crypto::rust_crypto::DEFAULT_PROVIDER;
    // An error says that the application has installed one already, which then serves us too.
    let _ = provider.install_default();
}

/// Derives 32 bytes from a key: HMAC-SHA256 over a label (NIST SP 800-108, one block).
fn derive(key: &EncodingKey, label: &[u8]) -> Vec<u8> {
    let mac = crypto::sign(label, key, jsonwebtoken::Algorithm::HS256).expect("HMAC signs with any key");
    BASE64URL.decode(mac).expect("a signature is base64url")
}

/// Secrets of 32 bytes and more that stand in documentation, so in everybody's word list.
const PUBLISHED: [&[u8]; 4] = [
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long-and-then-some",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"your-256-bit-secret-your-256-bit-secret",
];

/// Refuses secrets that can be guessed from one token, offline (J-4, J-21, J-22).
fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), &'static str> {
    if secret.len() < algorithm.min_secret_len() {
        return Err(match algorithm {
            Algorithm::HS256 => "HS256 needs at least 32 bytes",
            Algorithm::HS384 => "HS384 needs at least 48 bytes",
            Algorithm::HS512 => "HS512 needs at least 64 bytes",
        });
    }
    if looks_like_a_key_file(secret) {
        return Err("it looks like a PEM, DER or SSH key, whose public half others may know");
    }
    if PUBLISHED.contains(&secret) || secret.starts_with(b"django-insecure-") {
        return Err("it is a published example");
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    if seen.iter().filter(|seen| **seen).count() < 10 {
        return Err("it has fewer than 10 different bytes");
    }
    if (1..=secret.len() / 2).any(|period| secret[period..] == secret[..secret.len() - period]) {
        return Err("it repeats itself");
    }
    let steps = secret.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    if steps * 4 >= secret.len() * 3 {
        return Err("it is a run of consecutive characters");
    }
    Ok(())
}

fn looks_like_a_key_file(secret: &[u8]) -> bool {
    let text = secret.trim_ascii_start();
    let der = match *secret {
        // SEQUENCE with its length in one, two or three bytes, and nothing behind it
        [0x30, len, ref rest @ ..] if len < 0x80 => rest.len() == usize::from(len),
        [0x30, 0x81, len, ref rest @ ..] => rest.len() == usize::from(len),
        [0x30, 0x82, high, low, ref rest @ ..] => rest.len() == usize::from(high) << 8 | usize::from(low),
        _ => false,
    };
    der || text.starts_with(b"-----BEGIN")
        || [&b"ssh-"[..], b"ecdsa-sha2-"].iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = b"Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG";

    fn keys(secret: &[u8]) -> Keys {
        Keys::from_secret(Algorithm::HS256, &Secret::new(secret.to_vec())).unwrap()
    }

    /// J-21, with the last good and the first bad length of each algorithm.
    #[test]
    fn j_21_short_secrets_are_refused() {
        let long: Vec<u8> = (0..64).map(|i: u32| (i * 37 % 251) as u8).collect();
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let min = algorithm.min_secret_len();
            assert_eq!(check_secret(algorithm, &long[..min]), Ok(()), "{algorithm:?}");
            assert!(check_secret(algorithm, &long[..min - 1]).is_err(), "{algorithm:?}");
        }
        assert!(check_secret(Algorithm::HS256, b"").is_err());
    }

    /// J-22 and J-4: each weak secret with the reason that is given.
    #[test]
    fn j_22_j_4_weak_secrets_are_refused_with_the_reason() {
        let mut der = vec![0x30, 0x82, 0x01, 0x00];
        der.extend((0..256).map(|i: u32| (i * 89 % 253) as u8));
        let cases: [(&[u8], &str); 9] = [
            (&[b'a'; 40], "fewer than 10"),
            (b"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbcccccccc", "fewer than 10"),
            (b"Correct Horse-9Correct Horse-9Correct Horse-9", "repeats itself"),
            (b"abcdefghijklmnopqrstuvwxyz0123456789", "consecutive"),
            (b"a-string-secret-at-least-256-bits-long", "published"),
            (b"django-insecure-5v#k2l$w8x)q(9z!m4n7b", "published"),
            (b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n", "PEM"),
            (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx", "PEM"),
            (&der, "PEM"),
        ];
        for (secret, reason) in cases {
            let problem = check_secret(Algorithm::HS256, secret).unwrap_err();
            assert!(problem.contains(reason), "{problem}");
        }
        assert_eq!(check_secret(Algorithm::HS256, GOOD), Ok(()));
    }

    #[test]
    fn the_message_says_how_to_make_a_good_one_and_keeps_the_secret() {
        let weak = b"correct horse battery staple";
        let err = Keys::from_secret(Algorithm::HS256, &Secret::new(weak.to_vec())).unwrap_err();
        assert!(err.to_string().contains("openssl rand -base64 48"), "{err}");
        assert!(!format!("{err} {err:?}").contains("horse"));
    }

    /// J-10: the two kinds do not share a key, and other secrets give other keys.
    #[test]
    fn j_10_the_refresh_key_is_another_one() {
        let keys = keys(GOOD);
        let signature = keys.access.sign(b"message");
        assert!(keys.access.verify(b"message", &signature));
        assert!(!keys.refresh.verify(b"message", &signature));
        assert_ne!(keys.access.kid(), keys.refresh.kid());
        let other = Keys::from_secret(
            Algorithm::HS256,
            &Secret::new(b"another secret 0123456789 ABCDEFGHIJ".to_vec()),
        )
        .unwrap();
        assert_ne!(keys.access.kid(), other.access.kid());
    }

    /// J-5: only the full signature counts.
    #[test]
    fn j_5_empty_short_long_and_zero_signatures_are_refused() {
        let key = keys(GOOD).access;
        let good = key.sign(b"message");
        for bad in [
            "",
            &good[..good.len() - 1],
            &format!("{good}A"),
            &format!("{good}AA"),
            &"A".repeat(43),
            "=",
            "é",
        ] {
            assert!(!key.verify(b"message", bad), "{bad:?}");
        }
    }

    /// no secret in `Debug`.
    #[test]
    fn r_11_debug_shows_no_key_bytes() {
        let shown = format!("{:?} {:?}", keys(GOOD), Secret::new(GOOD.to_vec()));
        assert!(!shown.contains("Z8mQ"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", &GOOD[..4])[1..8]), "{shown}");
    }
}
