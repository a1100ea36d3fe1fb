//! What a key consists of, whatever form it came in; and what is too weak to be one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Curve, Family};
use super::backend::{self, Signer};
use crate::error::KeyError;
use crate::secret::Secret;

/// A key as it was read. Private parts are overwritten when dropped.
pub(super) enum Material {
    Secret(Secret),
    RsaPublic { n: Vec<u8>, e: Vec<u8> },
    RsaPrivate { n: Vec<u8>, e: Vec<u8>, pkcs1: Zeroizing<Vec<u8>> },
    EcPublic { curve: Curve, point: Vec<u8> },
    EcPrivate { curve: Curve, scalar: Zeroizing<Vec<u8>>, point: Option<Vec<u8>> },
    EdPublic(Vec<u8>),
    EdPrivate { seed: Zeroizing<Vec<u8>>, public: Option<Vec<u8>> },
}

/// The public part of a key pair, in the form that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point: 4, x, y.
    Ec {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed(Vec<u8>),
}

impl Material {
    pub(super) const fn is_private(&self) -> bool {
        matches!(
            self,
            Self::Secret(_) | Self::RsaPrivate { .. } | Self::EcPrivate { .. } | Self::EdPrivate { .. }
        )
    }
}

impl Public {
    /// Returns the public part of a key pair, computed where only the private one was given.
    pub(super) fn of(pair: &Material, signer: Option<&Signer>) -> Result<Self, KeyError> {
        let computed = |algorithm, given: &Option<Vec<u8>>| {
            let point = signer
                .and_then(|signer| signer.point(algorithm))
                .ok_or(KeyError::Malformed { problem: "its private part is none of its curve" })?;
            match given {
                Some(given) if *given != point => {
                    Err(KeyError::Malformed { problem: "its private and public parts do not fit" })
                }
                _ => Ok(point),
            }
        };
        Ok(match pair {
            Material::Secret(_) => return Err(KeyError::Malformed { problem: "it is a secret" }),
            Material::RsaPublic { n, e } | Material::RsaPrivate { n, e, .. } => {
                Public::Rsa { n: n.clone(), e: e.clone() }
            }
            Material::EcPublic { curve, point } => Public::Ec { curve: *curve, point: point.clone() },
            Material::EcPrivate { curve, point, scalar } => {
                if scalar.len() != curve.len() {
                    return Err(KeyError::Malformed {
                        problem: "its private part has not the length of its curve",
                    });
                }
                Public::Ec { curve: *curve, point: computed(curve.algorithm(), point)? }
            }
            Material::EdPublic(point) => Public::Ed(point.clone()),
            Material::EdPrivate { seed, public } => {
                if seed.len() != 32 {
                    return Err(KeyError::Malformed { problem: "an Ed25519 key has 32 bytes" });
                }
                Public::Ed(computed(Algorithm::EdDSA, public)?)
            }
        })
    }

    pub(super) const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { curve, .. } => Family::Ec(*curve),
            Self::Ed(_) => Family::Ed,
        }
    }

    /// Returns the algorithm of a key that does not name one. RSA is what it is with OpenID providers
    /// (OpenID Connect Core 1.0, section 3.1.3.7); for the others there is but one.
    pub(super) const fn default_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::RS256,
            Self::Ec { curve, .. } => curve.algorithm(),
            Self::Ed(_) => Algorithm::EdDSA,
        }
    }

    /// Checks size and form.
    pub(super) fn check(&self) -> Result<(), KeyError> {
        match self {
            Self::Rsa { n, e } => check_rsa(n, e),
            Self::Ec { curve, point } if point.len() != 1 + 2 * curve.len() || point[0] != 4 => {
                Err(KeyError::Malformed { problem: "its point is not written in full (uncompressed)" })
            }
            Self::Ed(point) if point.len() != 32 => {
                Err(KeyError::Malformed { problem: "an Ed25519 key has 32 bytes" })
            }
            Self::Ec { .. } | Self::Ed(_) if !backend::is_point(self) => {
                Err(KeyError::Malformed { problem: "its point is not on the curve" })
            }
            Self::Ec { .. } | Self::Ed(_) => Ok(()),
        }
    }

    /// Returns the members of a JWK that say what the key is.
    pub(super) fn members(&self) -> Value {
        match self {
            Self::Rsa { n, e } => json!({"e": encode(e), "kty": "RSA", "n": encode(n)}),
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.len());
                json!({"crv": curve.name(), "kty": "EC", "x": encode(x), "y": encode(y)})
            }
            Self::Ed(x) => json!({"crv": "Ed25519", "kty": "OKP", "x": encode(x)}),
        }
    }

    /// Returns the thumbprint of RFC 7638: SHA-256 over the required members, sorted, without white space.
    pub(super) fn thumbprint(&self) -> String {
        // Built by hand: serde_json sorts members only as long as nobody switches `preserve_order` on.
        let members = self.members();
        let text = |name: &str| format!(r#""{name}":{}"#, members[name]);
        let names: &[&str] = match self {
            Self::Rsa { .. } => &["e", "kty", "n"],
            Self::Ec { .. } => &["crv", "kty", "x", "y"],
            Self::Ed(_) => &["crv", "kty", "x"],
        };
        let members: Vec<_> = names.iter().map(|name| text(name)).collect();
        encode(&backend::sha256(format!("{{{}}}", members.join(",")).as_bytes()))
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

/// 2048 bits at least (RFC 7518, section 3.3), and no more than both backends take.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    if bits < 2048 {
        return Err(KeyError::Weak { problem: "an RSA key has at least 2048 bits" });
    }
    if bits > 4096 {
        return Err(KeyError::Malformed { problem: "an RSA key has at most 4096 bits" });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    if !odd(n) || !odd(e) || e.len() > 4 || e == [1] {
        return Err(KeyError::Weak {
            problem: "an RSA key has an odd modulus and an odd exponent from 3 to 2^32",
        });
    }
    Ok(())
}

/// Secrets of 32 bytes and more that stand in documentation, so in everybody's word list.
const PUBLISHED: [&[u8]; 4] = [
    b"a-string-secret-at-least-256-bits-long",
    b"a-valid-string-secret-that-is-at-least-384-bits-long-and-then-some",
    b"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    b"your-256-bit-secret-your-256-bit-secret",
];

/// Refuses secrets that are too short for their algorithm (J-21).
pub(super) fn check_len(algorithm: Algorithm, secret: &[u8]) -> Result<(), &'static str> {
    match (algorithm, algorithm.min_secret_len()) {
        (_, Some(min)) if secret.len() >= min => Ok(()),
        (_, Some(_)) if secret.is_empty() => Err("it is empty"),
        (Algorithm::HS256, _) => Err("HS256 needs at least 32 bytes"),
        (Algorithm::HS384, _) => Err("HS384 needs at least 48 bytes"),
        (Algorithm::HS512, _) => Err("HS512 needs at least 64 bytes"),
        _ => Err("it is a secret, and the algorithm wants a key pair"),
    }
}

/// Refuses secrets that can be guessed from one token, offline (J-4, J-21, J-22).
pub(super) fn check_secret(algorithm: Algorithm, secret: &[u8]) -> Result<(), &'static str> {
    check_len(algorithm, secret)?;
    if looks_like_a_key_file(secret) {
        return Err("it looks like a PEM, DER, JWK or SSH key, whose public half others may know");
    }
    if PUBLISHED.contains(&secret) {
        return Err("it is a published example");
    }
    if secret.starts_with(b"django-insecure-") {
        return Err("Django made it for development; where Django shares it, set the new one there too");
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
    let jwk = text.starts_with(b"{") && text.windows(5).any(|part| part == b"\"kty\"");
    der || jwk
        || text.starts_with(b"-----BEGIN")
        || [&b"ssh-"[..], b"ecdsa-sha2-"].iter().any(|start| text.starts_with(start))
}
