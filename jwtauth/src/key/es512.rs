//! ES512 (ECDSA on P-521 with SHA-512), which jsonwebtoken 12 lacks, by the crates of its two backends.
//! Signatures are r and s, 66 bytes each (RFC 7518, section 3.4).

#[cfg(feature = "aws_lc_rs")]
mod backend {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        VerificationAlgorithm as _,
    };

    use crate::key::algorithm::Curve;
    use crate::key::der;

    fn pair(scalar: &[u8]) -> Option<EcdsaKeyPair> {
        let pkcs8 = der::write_ec(Curve::P521, scalar);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P521_SHA512_FIXED_SIGNING, &pkcs8).ok()
    }

    pub(in crate::key) fn point(scalar: &[u8]) -> Option<Vec<u8>> {
        pair(scalar).map(|pair| pair.public_key().as_ref().to_vec())
    }

    pub(in crate::key) fn sign(scalar: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let signature = pair(scalar)?.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }

    pub(in crate::key) fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
        ECDSA_P521_SHA512_FIXED.verify_sig(point, message, signature).is_ok()
    }
}

#[cfg(not(feature = "aws_lc_rs"))]
mod backend {
    use p521::ecdsa::signature::{Signer as _, Verifier as _};
    use p521::ecdsa::{Signature, SigningKey, VerifyingKey};

    pub(in crate::key) fn point(scalar: &[u8]) -> Option<Vec<u8>> {
        let key = SigningKey::from_slice(scalar).ok()?;
        Some(VerifyingKey::from(&key).to_sec1_point(false).as_bytes().to_vec())
    }

    pub(in crate::key) fn is_point(point: &[u8]) -> bool {
        VerifyingKey::from_sec1_bytes(point).is_ok()
    }

    pub(in crate::key) fn sign(scalar: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = SigningKey::from_slice(scalar).ok()?.try_sign(message).ok()?;
        Some(signature.to_bytes().to_vec())
    }

    pub(in crate::key) fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) =
            (VerifyingKey::from_sec1_bytes(point), Signature::from_slice(signature))
        else {
            return false;
        };
        key.verify(message, &signature).is_ok()
    }
}

pub(super) use backend::*;
