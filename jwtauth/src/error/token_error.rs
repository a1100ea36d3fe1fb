//! Why a token was refused.

/// Why a token was refused. For the log only: a client gets one of a few fixed sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The text begins like an API key and is none: a character is wrong or missing. No store was asked.
    #[error("API key has a wrong checksum or length: it was not copied as a whole, or mistyped")]
    ApiKeyTypo,
    /// There is no such API key: it was made up, its session was swept, or another store has it.
    #[error("API key is unknown")]
    ApiKeyUnknown,
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
    /// A header member is not allowed, or is malformed.
    #[error("header member {0} is missing, malformed or not supported")]
    Header(&'static str),
    /// The issuer's keys are unavailable, so the token cannot be checked: they could not be fetched, or not
    /// since the token was made, and its key may be new.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable,
    /// Not a compact JWS of three strict base64url parts that hold JSON objects.
    #[error("token is malformed")]
    Malformed,
    /// `nbf` or `iat` lies in the future.
    #[error("token is not valid yet")]
    NotYetValid,
    /// A claim that [`IssuerProfile::requires`](crate::IssuerProfile::requires) names is missing or has
    /// another value. The log says which, at level `debug`.
    #[error("a claim that the profile of the issuer requires is missing or has another value")]
    RequiredClaim,
    /// Longer than 8 KiB.
    #[error("token is too long")]
    TooLong,
    /// `kid` names an unknown or expired key.
    #[error("token names an unknown key")]
    UnknownKey,
    /// `alg` is not the algorithm of the key.
    #[error("token was made with another algorithm")]
    WrongAlgorithm,
    /// `aud` does not name the configured audience.
    #[error("token is meant for another audience")]
    WrongAudience,
    /// `iss` is not the configured issuer.
    #[error("token has another issuer")]
    WrongIssuer,
    /// A token of the wrong kind, such as a refresh token in place of an access token.
    #[error("token is of another kind")]
    WrongKind,
}
