//! Reads keys as JSON: one key (RFC 7517), or a set.
//!
//! A key names its purpose. A key for encryption (`use`, `key_ops`), or with an algorithm that does not fit,
//! is refused. Numbers have the one length of their kind (RFC 7518, section 6).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Curve, Family};
use super::der;
use super::parts::Material;
use super::{Key, MAX_KEYS};
use crate::error::KeyError;
use crate::secret::Secret;

/// A JWK that was read, with its own algorithm and name.
pub(super) struct ParsedJwk {
    pub(super) material: Material,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) kid: Option<String>,
}

/// The members of a JWK that are read. Private ones are overwritten when dropped.
#[derive(Deserialize)]
struct Members {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    k: Option<Octets>,
    n: Option<Octets>,
    e: Option<Octets>,
    x: Option<Octets>,
    y: Option<Octets>,
    d: Option<Octets>,
    p: Option<Octets>,
    q: Option<Octets>,
    dp: Option<Octets>,
    dq: Option<Octets>,
    qi: Option<Octets>,
    oth: Option<de::IgnoredAny>,
}

struct Octets(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64url without padding")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Octets, E> {
                // The error says nothing of the text, which may be private.
                let bytes = BASE64URL.decode(text).map_err(|_| E::custom("not base64url"))?;
                Ok(Octets(Zeroizing::new(bytes)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

const fn refused<T>(problem: &'static str) -> Result<T, KeyError> {
    Err(KeyError::Malformed { problem })
}

pub(super) fn read(json: &str) -> Result<ParsedJwk, KeyError> {
    let Ok(members) = serde_json::from_str::<Members>(json) else {
        return refused("it is no JWK: a member is missing, of a wrong type, or no base64url");
    };
    if members.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return refused("it is not for signatures (`use`)");
    }
    let algorithm = match members.alg.as_deref() {
        None => None,
        Some(name) => match Algorithm::named(name) {
            None => return refused("its `alg` is not supported"),
            algorithm => algorithm,
        },
    };
    let material = material(&members)?;
    let operation = match &members.key_ops {
        None => true,
        Some(names) => names.iter().any(|name| name == "verify" || (name == "sign" && material.is_private())),
    };
    if !operation {
        return refused("it is not for signatures (`key_ops`)");
    }
    Ok(ParsedJwk { material, algorithm, kid: members.kid })
}

fn material(members: &Members) -> Result<Material, KeyError> {
    let curve =
        |name: &str| [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.name() == name);
    match (&*members.kty, members.crv.as_deref()) {
        ("oct", None) => match &members.k {
            Some(secret) => Ok(Material::Secret(Secret::new(secret.0.to_vec()))),
            None => refused("it has no `k`"),
        },
        ("RSA", None) => rsa(members),
        ("EC", Some(name)) => match curve(name) {
            Some(curve) => ec(members, curve),
            None => refused("its `crv` is not supported: P-256, P-384 and P-521 are"),
        },
        ("OKP", Some("Ed25519")) => {
            let Some(x) = &members.x else { return refused("it has no `x`") };
            Ok(match &members.d {
                Some(d) => Material::EdPrivate { seed: d.0.clone(), public: Some(x.0.to_vec()) },
                None => Material::EdPublic(x.0.to_vec()),
            })
        }
        _ => refused("its `kty` and `crv` are not those of a supported key"),
    }
}

fn ec(members: &Members, curve: Curve) -> Result<Material, KeyError> {
    let (Some(x), Some(y)) = (&members.x, &members.y) else { return refused("it has no `x` and `y`") };
    if x.0.len() != curve.len() || y.0.len() != curve.len() {
        return refused("`x` and `y` have not the length of its curve");
    }
    let point = [&[4], &x.0[..], &y.0[..]].concat();
    Ok(match &members.d {
        Some(d) => Material::EcPrivate { curve, scalar: d.0.clone(), point: Some(point) },
        None => Material::EcPublic { curve, point },
    })
}

fn rsa(members: &Members) -> Result<Material, KeyError> {
    // Some libraries write a zero in front (RFC 7518, section 6.3.1.1).
    let number =
        |octets: &Octets| octets.0[octets.0.iter().take_while(|byte| **byte == 0).count()..].to_vec();
    let (Some(n), Some(e)) = (&members.n, &members.e) else { return refused("it has no `n` and `e`") };
    let (n, e) = (number(n), number(e));
    let Some(d) = &members.d else { return Ok(Material::RsaPublic { n, e }) };
    let Members { p: Some(p), q: Some(q), dp: Some(dp), dq: Some(dq), qi: Some(qi), oth: None, .. } = members
    else {
        return refused("a private RSA key has `p`, `q`, `dp`, `dq` and `qi`, and no `oth`");
    };
    let pkcs1 = der::write_rsa([&n, &e, &d.0, &p.0, &q.0, &dp.0, &dq.0, &qi.0]);
    Ok(Material::RsaPrivate { n, e, pkcs1 })
}

/// The keys of a set that can be used, and the others.
pub(crate) struct ParsedKeySet {
    pub(crate) keys: Vec<Key>,
    /// Why each other key is passed over, in a sentence with its name.
    pub(crate) skipped: Vec<String>,
}

/// Reads a set of keys (RFC 7517, section 5), each with `read_one`.
///
/// A key that cannot be used makes no other one unusable. Of public keys with one name, the first good one
/// counts. Of secrets with one name, none does: nobody can tell which one is meant. A secret beside key pairs
/// is passed over, because anyone who may read the set could sign with it (J-4). Keys for encryption are no
/// surprise, so they are not mentioned.
pub(crate) fn read_set(
    json: &str,
    read_one: impl Fn(&str) -> Result<Key, KeyError>,
) -> Result<ParsedKeySet, KeyError> {
    // Not as values: what is wrong inside one key is found when that key is read.
    #[derive(Deserialize)]
    struct Set<'s> {
        #[serde(borrow)]
        keys: Vec<&'s RawValue>,
    }
    #[derive(Default, Deserialize)]
    struct Label {
        kid: Option<String>,
        kty: Option<String>,
        #[serde(rename = "use")]
        usage: Option<String>,
    }
    let Ok(Set { keys: found }) = serde_json::from_str::<Set<'_>>(json) else {
        return refused("it is no JWK set: an object with an array `keys`");
    };
    let mut secrets: Vec<String> = Vec::new();
    let mut pairs = false;
    let mut read: Vec<(String, Result<Key, KeyError>)> = Vec::new();
    for (at, key) in found.into_iter().enumerate() {
        let label: Label = serde_json::from_str(key.get()).unwrap_or_default();
        // Also one that cannot be used: who reads the set is meant to have public keys.
        pairs |= matches!(label.kty.as_deref(), Some("RSA" | "EC" | "OKP"));
        if label.usage.as_deref() == Some("enc") {
            continue;
        }
        if label.kty.as_deref() == Some("oct") {
            secrets.extend(label.kid.clone());
        }
        let place = format!("number {}", at + 1);
        let name = label.kid.map_or(place, |kid| format!("{:?}", kid.chars().take(128).collect::<String>()));
        read.push((name, read_one(key.get())));
    }
    let mut set = ParsedKeySet { keys: Vec::new(), skipped: Vec::new() };
    for (name, key) in read {
        let good = key.and_then(|key| {
            if pairs && key.public.is_none() {
                return refused(
                    "it is a secret beside key pairs, so anyone who may read the set could sign with it",
                );
            }
            if key.public.is_none() && secrets.iter().filter(|kid| **kid == key.kid).count() > 1 {
                return refused("another secret has this `kid`");
            }
            if let Some(known) = set.keys.iter().find(|known| known.kid() == key.kid()) {
                let is_same = known.public == key.public;
                return refused(if is_same {
                    "it is in the set twice"
                } else {
                    "an earlier key has this `kid`"
                });
            }
            if set.keys.len() == MAX_KEYS { Err(KeyError::TooMany { max: MAX_KEYS }) } else { Ok(key) }
        });
        match good {
            Ok(key) => set.keys.push(key),
            Err(why) => set.skipped.push(format!("key {name} of the set is passed over: {why}")),
        }
    }
    Ok(set)
}

pub(super) fn fits(algorithm: Algorithm, family: Family) -> Result<(), KeyError> {
    if algorithm.family() == family {
        return Ok(());
    }
    let problem = match family {
        Family::Hmac => "it is a secret, for HS256, HS384 and HS512",
        Family::Rsa => "it is RSA, for RS256, RS384, RS512, PS256, PS384 and PS512",
        Family::Ec(Curve::P256) => "it is on P-256, for ES256",
        Family::Ec(Curve::P384) => "it is on P-384, for ES384",
        Family::Ec(Curve::P521) => "it is on P-521, for ES512",
        Family::Ed => "it is Ed25519, for EdDSA and Ed25519",
    };
    Err(KeyError::Algorithm { algorithm: algorithm.name(), problem })
}
