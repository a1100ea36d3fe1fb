//! Why a token was refused.

/// Why a token was refused. For the log; a client gets one of a few fixed sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The signature does not belong to the text.
    #[error("signature does not match")]
    BadSignature,
    /// A claim is missing, of the wrong type or out of range.
    #[error("claim {0} is missing or malformed")]
    Claim(&'static str),
    /// The claims do not fit the type that the application reads them into.
    #[error("claims do not fit `{expected}`")]
    Claims {
        /// The type.
        expected: &'static str,
    },
    /// The token is past its `exp`. Its signature is good.
    #[error("token is expired")]
    Expired,
    /// A header member that must not be there, or is malformed.
    #[error("header member {0} is missing, malformed or not supported")]
    Header(&'static str),
    /// The issuer's keys could not be had, so nothing can be said of the token.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable,
    /// Not a compact JWS of three strict base64url parts that hold JSON objects.
    #[error("token is malformed")]
    Malformed,
    /// `nbf` or `iat` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// Longer than 8 KiB.
    #[error("token is too long")]
    TooLong,
    /// `kid` names no key of ours, or one that has ended.
    #[error("token names an unknown key")]
    UnknownKey,
    /// `alg` is not the algorithm of the key.
    #[error("token was made with another algorithm")]
    WrongAlgorithm,
    /// `aud` does not name us.
    #[error("token is meant for another audience")]
    WrongAudience,
    /// `iss` is not the configured issuer.
    #[error("token has another issuer")]
    WrongIssuer,
    /// A token where one of another kind belongs: a refresh token for an access token, say.
    #[error("token is of another kind")]
    WrongKind,
}
