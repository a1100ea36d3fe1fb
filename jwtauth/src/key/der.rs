//! Reads strictly and writes the DER forms of keys: PKCS#8 (RFC 5958), SEC1 (RFC 5915), PKCS#1 (RFC 8017,
//! appendix A.1) and SubjectPublicKeyInfo (RFC 5480, RFC 8410).
//!
//! Lengths must be definite and as short as possible, and nothing may follow the key. Only the parts of the
//! key are used: the backend gets a form that was written here.

use zeroize::Zeroizing;

use super::algorithm::Curve;
use super::parts::Material;
use crate::error::KeyError;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

const CURVES: [(Curve, &[u8]); 3] = [
    (Curve::P256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
    (Curve::P384, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    (Curve::P521, &[0x2b, 0x81, 0x04, 0x00, 0x23]),
];

const BROKEN: KeyError = KeyError::Malformed { problem: "it is no strict DER of a key" };

/// Reads a private or public key of any of the four forms.
pub(super) fn read(der: &[u8]) -> Result<Material, KeyError> {
    let mut outer = DerReader(der);
    let mut key = DerReader(outer.take(SEQUENCE)?);
    outer.end()?;
    if key.is_next(SEQUENCE) {
        return public_info(key);
    }
    let first = key.take(INTEGER)?;
    match (first, key.0.first()) {
        ([0 | 1], Some(&SEQUENCE)) => private_info(key),
        ([1], Some(&OCTET_STRING)) => ec_private(key, None),
        (_, Some(&INTEGER)) => rsa(key, first),
        _ => Err(BROKEN),
    }
}

/// SubjectPublicKeyInfo, after its outer tag.
fn public_info(mut info: DerReader<'_>) -> Result<Material, KeyError> {
    let kind = kind(&mut info)?;
    let [0, bits @ ..] = info.take(BIT_STRING)? else { return Err(BROKEN) };
    info.end()?;
    match kind {
        KeyKind::Rsa => match read(bits)? {
            public @ Material::RsaPublic { .. } => Ok(public),
            _ => Err(BROKEN),
        },
        KeyKind::Ec(curve) => Ok(Material::EcPublic { curve, point: bits.to_vec() }),
        KeyKind::Ed => Ok(Material::EdPublic(bits.to_vec())),
    }
}

/// PrivateKeyInfo, after its version. Attributes and a copy of the public key may follow. They are not read.
fn private_info(mut info: DerReader<'_>) -> Result<Material, KeyError> {
    let kind = kind(&mut info)?;
    let key = info.take(OCTET_STRING)?;
    match kind {
        KeyKind::Rsa => match read(key)? {
            private @ Material::RsaPrivate { .. } => Ok(private),
            _ => Err(BROKEN),
        },
        KeyKind::Ec(curve) => {
            let mut outer = DerReader(key);
            let mut key = DerReader(outer.take(SEQUENCE)?);
            outer.end()?;
            match key.take(INTEGER)? {
                [1] => ec_private(key, Some(curve)),
                _ => Err(BROKEN),
            }
        }
        KeyKind::Ed => {
            let mut outer = DerReader(key);
            let seed = Zeroizing::new(outer.take(OCTET_STRING)?.to_vec());
            outer.end()?;
            Ok(Material::EdPrivate { seed, public: None })
        }
    }
}

/// ECPrivateKey, after its version. The curve is given outside, inside, or in both places, then the same.
fn ec_private(mut key: DerReader<'_>, outside: Option<Curve>) -> Result<Material, KeyError> {
    let scalar = Zeroizing::new(key.take(OCTET_STRING)?.to_vec());
    let inside = if key.is_next(0xa0) { Some(curve(DerReader(key.take(0xa0)?).take(OID)?)?) } else { None };
    let curve = match (outside, inside) {
        (Some(one), Some(other)) if one != other => return Err(BROKEN),
        (curve, None) | (_, curve) => curve.ok_or(BROKEN)?,
    };
    let point = if key.is_next(0xa1) {
        let [0, bits @ ..] = DerReader(key.take(0xa1)?).take(BIT_STRING)? else { return Err(BROKEN) };
        Some(bits.to_vec())
    } else {
        None
    };
    key.end()?;
    Ok(Material::EcPrivate { curve, scalar, point })
}

/// RSAPublicKey or RSAPrivateKey, after the first number.
fn rsa(mut key: DerReader<'_>, first: &[u8]) -> Result<Material, KeyError> {
    let mut numbers = vec![first];
    while key.is_next(INTEGER) && numbers.len() < 9 {
        numbers.push(key.take(INTEGER)?);
    }
    key.end()?;
    match *numbers {
        [n, e] => Ok(Material::RsaPublic { n: unsigned(n)?, e: unsigned(e)? }),
        [[0], n, e, d, p, q, dp, dq, qi] => {
            let pkcs1 = write_rsa([n, e, d, p, q, dp, dq, qi]);
            Ok(Material::RsaPrivate { n: unsigned(n)?, e: unsigned(e)?, pkcs1 })
        }
        _ => Err(BROKEN),
    }
}

enum KeyKind {
    Rsa,
    Ec(Curve),
    Ed,
}

fn kind(info: &mut DerReader<'_>) -> Result<KeyKind, KeyError> {
    let mut id = DerReader(info.take(SEQUENCE)?);
    let kind = match id.take(OID)? {
        RSA => id.take(NULL).and_then(|null| if null.is_empty() { Ok(KeyKind::Rsa) } else { Err(BROKEN) })?,
        EC => KeyKind::Ec(curve(id.take(OID)?)?),
        ED25519 => KeyKind::Ed,
        _ => {
            return Err(KeyError::Malformed {
                problem: "its kind is not supported: RSA, P-256, P-384, P-521 and Ed25519 are",
            });
        }
    };
    id.end()?;
    Ok(kind)
}

fn curve(oid: &[u8]) -> Result<Curve, KeyError> {
    CURVES
        .into_iter()
        .find_map(|(curve, known)| (known == oid).then_some(curve))
        .ok_or(KeyError::Malformed { problem: "its curve is not supported: P-256, P-384 and P-521 are" })
}

/// Returns the bytes of a positive INTEGER, without the zero that keeps it positive.
fn unsigned(integer: &[u8]) -> Result<Vec<u8>, KeyError> {
    match integer {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Ok(rest.to_vec()),
        [1..=0x7f, ..] => Ok(integer.to_vec()),
        _ => Err(BROKEN),
    }
}

struct DerReader<'d>(&'d [u8]);

impl<'d> DerReader<'d> {
    fn is_next(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// Takes the content of the next element, which has this tag.
    fn take(&mut self, tag: u8) -> Result<&'d [u8], KeyError> {
        let (len, rest) = match *self.0 {
            [found, ..] if found != tag => return Err(BROKEN),
            [_, len @ ..=0x7f, ref rest @ ..] => (usize::from(len), rest),
            [_, 0x81, len @ 0x80..=0xff, ref rest @ ..] => (usize::from(len), rest),
            [_, 0x82, high @ 1..=0xff, low, ref rest @ ..] => {
                (usize::from(high) << 8 | usize::from(low), rest)
            }
            _ => return Err(BROKEN),
        };
        let (content, rest) = rest.split_at_checked(len).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(content)
    }

    fn end(&self) -> Result<(), KeyError> {
        if self.0.is_empty() { Ok(()) } else { Err(BROKEN) }
    }
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let [.., high, low] = content.len().to_be_bytes();
    match content.len() {
        0..0x80 => out.push(low),
        0x80..0x100 => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
}

/// Room for any key, so that a growing `Vec` leaves no half-written private key behind.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(8 * 1024))
}

/// Writes an RSAPrivateKey of two primes: n, e, d, p, q, d mod p-1, d mod q-1, 1/q mod p.
pub(super) fn write_rsa(numbers: [&[u8]; 8]) -> Zeroizing<Vec<u8>> {
    let mut content = room();
    put(&mut content, INTEGER, &[0]);
    for number in numbers {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut positive = room();
        if number.get(zeros).is_none_or(|first| *first >= 0x80) {
            positive.push(0);
        }
        positive.extend_from_slice(&number[zeros..]);
        put(&mut content, INTEGER, &positive);
    }
    let mut der = room();
    put(&mut der, SEQUENCE, &content);
    der
}

/// Writes a PKCS#8 key of a curve.
pub(super) fn write_ec(curve: Curve, scalar: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut content = room();
    put(&mut content, INTEGER, &[1]);
    put(&mut content, OCTET_STRING, scalar);
    let mut key = room();
    put(&mut key, SEQUENCE, &content);
    let mut id = Vec::new();
    put(&mut id, OID, EC);
    let oid = CURVES.into_iter().find_map(|(known, oid)| (known == curve).then_some(oid));
    // OK because `Curve` has three variants, and the table a row for each.
    put(&mut id, OID, oid.expect("every curve is in the table"));
    write_private_info(&id, &key)
}

/// Writes a PKCS#8 key of Ed25519.
pub(super) fn write_ed(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = room();
    put(&mut key, OCTET_STRING, seed);
    let mut id = Vec::new();
    put(&mut id, OID, ED25519);
    write_private_info(&id, &key)
}

fn write_private_info(id: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut content = room();
    put(&mut content, INTEGER, &[0]);
    put(&mut content, SEQUENCE, id);
    put(&mut content, OCTET_STRING, key);
    let mut der = room();
    put(&mut der, SEQUENCE, &content);
    der
}
