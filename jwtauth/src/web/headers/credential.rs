//! One credential, not yet verified: the value of a cookie, or the token of a header.

use std::borrow::Cow;
use std::fmt;

/// One credential, as it was sent. `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential<'r> {
    Absent,
    One(Cow<'r, str>),
    /// There, but not in the form of a token.
    Unreadable,
    /// Two different values under one name.
    Conflict,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::One(_) => "One([redacted])",
            Self::Unreadable => "Unreadable",
            Self::Conflict => "Conflict",
        })
    }
}

impl Credential<'_> {
    pub(crate) fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Absent => Credential::Absent,
            Self::One(value) => Credential::One(Cow::Owned(value.into_owned())),
            Self::Unreadable => Credential::Unreadable,
            Self::Conflict => Credential::Conflict,
        }
    }
}
