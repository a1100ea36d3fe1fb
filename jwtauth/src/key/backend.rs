//! Signatures and digests, by the backend that was built in. Only this file names jsonwebtoken.
//!
//! # Why RustCrypto signs by default
//!
//! jsonwebtoken 12 needs one of two backends. Measured on two cores, rustc 1.95, a 365-byte HS256 token,
//! `crypto::verify` alone, least of several rounds; cold release build of jsonwebtoken with its dependencies:
//!
//! | backend | cold build, wall / CPU | one verify | advisories |
//! |---|---|---|---|
//! | `rust_crypto` | 25 s / 47 s | 414 ns | RUSTSEC-2023-0071 (`rsa`: timing of *private*-key operations) |
//! | `aws_lc_rs` | 33 s / 61 s, needs a C compiler | 615 ns | none |
//!
//! The advisory only concerns signing with an RSA key, for which a warning is logged. The feature `aws_lc_rs`
//! selects the other backend, also if both features are on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::crypto::{self, CryptoProvider};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::algorithm::{Algorithm, Curve};
use super::parts::{Material, Public};
use super::{der, es512};
use crate::secret::Secret;

#[cfg(not(any(feature = "rust_crypto", feature = "aws_lc_rs")))]
compile_error!("jwtauth needs one of its features `rust_crypto` (default) and `aws_lc_rs`");

/// Whether signing with an RSA key is open to RUSTSEC-2023-0071.
pub(super) const RSA_SIGNING_LEAKS_TIME: bool = !cfg!(feature = "aws_lc_rs");

#[derive(Clone)]
pub(super) enum Signer {
    Jws(EncodingKey),
    /// The scalar of a P-521 key, which jsonwebtoken does not know.
    P521(Secret),
}

#[derive(Clone)]
pub(super) enum SignatureVerifier {
    Jws(DecodingKey),
    /// The point of a P-521 key.
    P521(Vec<u8>),
}

fn provider() -> &'static CryptoProvider {
    #[cfg(feature = "aws_lc_rs")]
    let provider = &crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
    let provider = &crypto::rust_crypto::DEFAULT_PROVIDER;
    provider
}

/// Selects the backend of jsonwebtoken, which panics if other dependencies of the application enable both.
pub(super) fn install() {
    // An error means that the application has installed one already, which is then used here too.
    let _ = provider().install_default();
}

/// The name of an algorithm with jsonwebtoken, if it has one.
const fn known(algorithm: Algorithm) -> Option<jsonwebtoken::Algorithm> {
    use jsonwebtoken::Algorithm as Known;
    Some(match algorithm {
        Algorithm::HS256 => Known::HS256,
        Algorithm::HS384 => Known::HS384,
        Algorithm::HS512 => Known::HS512,
        Algorithm::RS256 => Known::RS256,
        Algorithm::RS384 => Known::RS384,
        Algorithm::RS512 => Known::RS512,
        Algorithm::PS256 => Known::PS256,
        Algorithm::PS384 => Known::PS384,
        Algorithm::PS512 => Known::PS512,
        Algorithm::ES256 => Known::ES256,
        Algorithm::ES384 => Known::ES384,
        Algorithm::EdDSA | Algorithm::Ed25519 => Known::EdDSA,
        Algorithm::ES512 => return None,
    })
}

impl Signer {
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        // OK because an empty secret alone is refused, and `strength` asks for 32 bytes.
        Self::Jws(EncodingKey::from_secret(secret).expect("the length of a secret is checked before"))
    }

    pub(super) fn of(material: &Material) -> Option<Self> {
        Some(match material {
            Material::Secret(secret) => Self::of_secret(secret.expose()),
            Material::RsaPrivate { pkcs1, .. } => Self::Jws(EncodingKey::from_rsa_der(pkcs1)),
            Material::EcPrivate { curve: Curve::P521, scalar, .. } => {
                Self::P521(Secret::new(scalar.to_vec()))
            }
            Material::EcPrivate { curve, scalar, .. } => {
                Self::Jws(EncodingKey::from_ec_der(&der::write_ec(*curve, scalar)))
            }
            Material::EdPrivate { seed, .. } => Self::Jws(EncodingKey::from_ed_der(&der::write_ed(seed))),
            Material::RsaPublic { .. } | Material::EcPublic { .. } | Material::EdPublic(_) => return None,
        })
    }

    /// Returns the signature of `message`, as the third part of a compact JWS.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<String> {
        match self {
            Self::Jws(key) => crypto::sign(message, key, known(algorithm)?).ok(),
            Self::P521(scalar) => es512::sign(scalar.expose(), message).map(|made| BASE64URL.encode(made)),
        }
    }

    /// Computes the point that belongs to the private key of a curve.
    pub(super) fn point(&self, algorithm: Algorithm) -> Option<Vec<u8>> {
        let key = match self {
            Self::Jws(key) => key,
            Self::P521(scalar) => return es512::point(scalar.expose()),
        };
        let decode = |part: &str| BASE64URL.decode(part).ok();
        match Jwk::from_encoding_key(key, known(algorithm)?).ok()?.algorithm {
            AlgorithmParameters::EllipticCurve(ec) => {
                Some([vec![4], decode(&ec.x)?, decode(&ec.y)?].concat())
            }
            AlgorithmParameters::OctetKeyPair(ed) => decode(&ed.x),
            _ => None,
        }
    }
}

impl SignatureVerifier {
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        // OK because an empty secret alone is refused, and `strength` asks for 32 bytes.
        Self::Jws(DecodingKey::from_secret(secret).expect("the length of a secret is checked before"))
    }

    pub(super) fn of(public: &Public) -> Self {
        match public {
            Public::Rsa { n, e } => Self::Jws(DecodingKey::from_rsa_raw_components(n, e)),
            Public::Ec { curve: Curve::P521, point } => Self::P521(point.clone()),
            Public::Ec { point, .. } => Self::Jws(DecodingKey::from_ec_der(point)),
            Public::Ed(point) => Self::Jws(DecodingKey::from_ed_der(point)),
        }
    }

    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        match self {
            Self::Jws(key) => known(algorithm)
                .is_some_and(|algorithm| crypto::verify(signature, message, key, algorithm).unwrap_or(false)),
            Self::P521(point) => {
                BASE64URL.decode(signature).is_ok_and(|signature| es512::verify(point, message, &signature))
            }
        }
    }
}

/// Tells whether the point of a public key is on its curve.
#[cfg(feature = "aws_lc_rs")]
pub(super) fn is_point(public: &Public) -> bool {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    };
    match public {
        Public::Rsa { .. } => false,
        Public::Ec { curve: Curve::P256, point } => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
        }
        Public::Ec { curve: Curve::P384, point } => {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).is_ok()
        }
        Public::Ec { curve: Curve::P521, point } => {
            ParsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).is_ok()
        }
        Public::Ed(point) => ParsedPublicKey::new(&ED25519, point).is_ok(),
    }
}

/// Tells whether the point of a public key is on its curve.
#[cfg(not(feature = "aws_lc_rs"))]
pub(super) fn is_point(public: &Public) -> bool {
    match SignatureVerifier::of(public) {
        // RustCrypto reads the point before it looks at the signature.
        SignatureVerifier::Jws(key) => known(public.default_algorithm())
            .is_some_and(|algorithm| (provider().verifier_factory)(&algorithm, &key).is_ok()),
        SignatureVerifier::P521(point) => es512::is_point(&point),
    }
}

pub(super) fn sha256(data: &[u8]) -> Vec<u8> {
    // OK because both providers have SHA-256.
    (provider().key_utils.compute_digest)(data, ThumbprintHash::SHA256).expect("SHA-256 takes any data")
}

/// Derives 32 bytes from a secret: HMAC-SHA256 over a label (NIST SP 800-108, one block).
pub(super) fn derive(secret: &[u8], label: &[u8]) -> Vec<u8> {
    // OK because HMAC takes a key of any length, and `sign` answers in base64url.
    let mac = Signer::of_secret(secret).sign(Algorithm::HS256, label).expect("HMAC signs with any key");
    BASE64URL.decode(mac).expect("a signature is base64url")
}
