//! The parts of a key, whatever form it came in: plain data.
//!
//! `der`, `pem` and `jwk` read it, `public` and `strength` check it, and `backend` signs and verifies with
//! it.

use zeroize::Zeroizing;

use super::algorithm::{Algorithm, Curve, Family};
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
    pub(super) const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { curve, .. } => Family::Ec(*curve),
            Self::Ed(_) => Family::Ed,
        }
    }

    /// Returns the algorithm of a key that names none. For RSA it is that of OpenID providers (OpenID Connect
    /// Core 1.0, section 3.1.3.7). The others have only one.
    pub(super) const fn default_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::RS256,
            Self::Ec { curve, .. } => curve.algorithm(),
            Self::Ed(_) => Algorithm::EdDSA,
        }
    }
}
