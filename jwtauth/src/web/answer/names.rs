//! Names of roles or scopes: what a guard asks for, and what its refusal lists.

use std::fmt;

/// Names of roles or scopes. A caller must have one of them, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    One(&'static str),
    Any(&'static [&'static str]),
    All(&'static [&'static str]),
}

impl Names {
    pub(crate) fn are_met(self, has: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(name) => has(name),
            Self::Any(names) => names.iter().any(|name| has(name)),
            Self::All(names) => names.iter().all(|name| has(name)),
        }
    }

    /// Returns how many there are.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Any(names) | Self::All(names) => names.len(),
        }
    }

    pub(crate) const fn at(self, index: usize) -> &'static str {
        match self {
            Self::One(name) => name,
            Self::Any(names) | Self::All(names) => names[index],
        }
    }
}

/// The names with a space between each two, as a challenge lists scopes (RFC 6750, section 3).
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in 0..self.len() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(self.at(index))?;
        }
        Ok(())
    }
}
