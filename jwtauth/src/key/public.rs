//! The public part of a key pair: computed from the private one, checked, and written as a JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

use super::algorithm::Algorithm;
use super::backend::{self, Signer};
use super::parts::{Material, Public};
use crate::error::KeyError;

impl Public {
    /// Returns the public part of a key pair. Computes it if only the private part was given.
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
        // Built by hand: serde_json sorts members only while the feature `preserve_order` is off.
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

/// At least 2048 bits (RFC 7518, section 3.3), and no more than both backends accept.
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
