//! One credential, not yet verified: the value of a cookie, or the token of a header.

use std::borrow::Cow;
use std::fmt;
use std::slice;

/// One credential, as it was sent. `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential<'r> {
    Absent,
    One(Cow<'r, str>),
    /// There, but not in the form of a token.
    Unreadable,
    /// Different values under the name of one cookie, at most [`MAX_VALUES`].
    Several {
        /// Those that could be read.
        values: Vec<Cow<'r, str>>,
        /// Whether there are more.
        more: bool,
    },
    /// Two header lines.
    Conflict,
}

/// How many different values under one name are looked at: a browser keeps one for each domain and path, and
/// twice as many with partitioned ones.
pub(crate) const MAX_VALUES: usize = 4;

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::One(_) => "One([redacted])",
            Self::Unreadable => "Unreadable",
            Self::Several { .. } => "Several([redacted])",
            Self::Conflict => "Conflict",
        })
    }
}

impl Credential<'_> {
    /// Returns all values that could be read.
    pub(crate) fn values(&self) -> &[Cow<'_, str>] {
        match self {
            Self::One(value) => slice::from_ref(value),
            Self::Several { values, .. } => values,
            Self::Absent | Self::Unreadable | Self::Conflict => &[],
        }
    }

    pub(crate) const fn is_several(&self) -> bool {
        matches!(self, Self::Several { .. })
    }

    /// Tells whether there are more values than are looked at.
    pub(crate) const fn has_more(&self) -> bool {
        matches!(self, Self::Several { more: true, .. })
    }

    /// Borrows one that is not [`Several`](Self::Several).
    pub(crate) fn borrowed(&self) -> Credential<'_> {
        match self {
            Self::Absent => Credential::Absent,
            Self::One(value) => Credential::One(Cow::Borrowed(value)),
            Self::Unreadable => Credential::Unreadable,
            Self::Several { .. } | Self::Conflict => Credential::Conflict,
        }
    }

    pub(crate) fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Absent => Credential::Absent,
            Self::One(value) => Credential::One(Cow::Owned(value.into_owned())),
            Self::Unreadable => Credential::Unreadable,
            Self::Several { values, more } => {
                let values = values.into_iter().map(|value| Cow::Owned(value.into_owned())).collect();
                Credential::Several { values, more }
            }
            Self::Conflict => Credential::Conflict,
        }
    }
}
