//! The conditions of a guarded handler: constant data, so that a request allocates nothing for it.
//!
//! The macro writes a [`Policy`] as a `static`. [`RequireAuth`](super::require_auth::RequireAuth) makes one
//! at start. [`guard`](super::admit) checks requests against it.

use std::fmt;

use super::local_path::is_local;
use crate::right_name::{is_one_name, is_scope_token};
use crate::user::Identity;
use crate::web::answer::names::Names;
use crate::web::answer::rejection::{Rejection, Scopes};

/// Where a guard is in the source, for the log.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The path of the guarded handler.
    pub handler: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its line.
    pub line: u32,
}

impl Site {
    /// The name for what a [`RequireAuth`](super::require_auth::RequireAuth) guards: it cannot know more.
    pub(crate) const TREE: &'static str = "RequireAuth";
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handler, file, line } = self;
        if *handler != Self::TREE {
            f.write_str("`#[require_auth]` on ")?;
        }
        write!(f, "`{handler}` ({file}:{line})")
    }
}

/// A condition on the roles or the scopes of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Need(NeedKind);

#[derive(Clone, Copy, Debug)]
enum NeedKind {
    Roles(Names),
    Scopes(Names),
}

impl Need {
    /// Asks for a role.
    ///
    /// # Panics
    ///
    /// Like all of these, if a name or the list is empty, or a name looks like several: nobody or everybody
    /// would meet it.
    #[must_use]
    #[track_caller]
    pub const fn role(role: &'static str) -> Self {
        Self::roles(Names::One(role))
    }

    /// Asks for at least one of these roles.
    #[must_use]
    #[track_caller]
    pub const fn any_role(roles: &'static [&'static str]) -> Self {
        Self::roles(Names::Any(roles))
    }

    /// Asks for each of these roles.
    #[must_use]
    #[track_caller]
    pub const fn all_roles(roles: &'static [&'static str]) -> Self {
        Self::roles(Names::All(roles))
    }

    /// Asks for a scope.
    #[must_use]
    #[track_caller]
    pub const fn scope(scope: &'static str) -> Self {
        Self::scopes(Names::One(scope))
    }

    /// Asks for at least one of these scopes.
    #[must_use]
    #[track_caller]
    pub const fn any_scope(scopes: &'static [&'static str]) -> Self {
        Self::scopes(Names::Any(scopes))
    }

    /// Asks for each of these scopes.
    #[must_use]
    #[track_caller]
    pub const fn all_scopes(scopes: &'static [&'static str]) -> Self {
        Self::scopes(Names::All(scopes))
    }

    #[track_caller]
    const fn roles(names: Names) -> Self {
        assert!(names.len() > 0, "a list of roles needs one");
        let mut index = 0;
        while index < names.len() {
            assert!(!names.at(index).is_empty(), "a role needs a name");
            assert!(is_one_name(names.at(index)), "{}", ONE_NAME);
            index += 1;
        }
        Self(NeedKind::Roles(names))
    }

    #[track_caller]
    const fn scopes(names: Names) -> Self {
        assert!(names.len() > 0, "a list of scopes needs one");
        let mut index = 0;
        while index < names.len() {
            assert!(
                is_scope_token(names.at(index)),
                "a scope is visible ASCII without `\"` and `\\` (RFC 6749, section 3.3)"
            );
            assert!(is_one_name(names.at(index)), "{}", ONE_NAME);
            index += 1;
        }
        Self(NeedKind::Scopes(names))
    }

    /// Returns why the caller does not meet it, if so.
    pub(crate) fn unmet(self, who: &Identity) -> Option<Rejection> {
        match self.0 {
            NeedKind::Roles(names) => {
                (!names.are_met(|role| who.has_role(role))).then_some(Rejection::PermissionDenied)
            }
            NeedKind::Scopes(names) => (!names.are_met(|scope| who.has_scope(scope)))
                .then_some(Rejection::InsufficientScope { scopes: Scopes(names) }),
        }
    }
}

/// In words, for a document: ``one of the roles `editor`, `admin` ``.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, names) = match self.0 {
            NeedKind::Roles(names) => ("role", names),
            NeedKind::Scopes(names) => ("scope", names),
        };
        match names {
            Names::One(_) => write!(f, "the {what} ")?,
            Names::Any(_) => write!(f, "one of the {what}s ")?,
            Names::All(_) => write!(f, "all of the {what}s ")?,
        }
        for index in 0..names.len() {
            write!(f, "{}`{}`", if index > 0 { ", " } else { "" }, names.at(index))?;
        }
        Ok(())
    }
}

const ONE_NAME: &str = "one role or scope is one name, without white space around it: for several take a list, with `any_role`, `all_roles`, `any_scope` or `all_scopes`";

/// The conditions of one guard.
#[derive(Clone, Copy)]
pub struct Policy {
    pub(crate) site: Site,
    pub(crate) needs: &'static [Need],
    pub(crate) optional: bool,
    /// The highest age of the login, in seconds.
    pub(crate) max_age: Option<u64>,
    /// Whether API keys are refused.
    pub(crate) no_api_keys: bool,
    /// The login page for anonymous users who are opening a page.
    pub(crate) redirect: Option<&'static str>,
    /// Whether requests that another site caused are allowed.
    pub(crate) any_site: bool,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Policy {
    /// Asks for a logged-in user who meets all needs.
    #[must_use]
    pub const fn new(site: Site, needs: &'static [Need]) -> Self {
        Self {
            site,
            needs,
            optional: false,
            max_age: None,
            no_api_keys: false,
            redirect: None,
            any_site: false,
        }
    }

    /// Also allows anonymous users.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Asks for a login that is not older than this, in seconds.
    #[must_use]
    pub const fn fresh(mut self, max_age: u64) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Refuses API keys.
    #[must_use]
    pub const fn no_api_keys(mut self) -> Self {
        self.no_api_keys = true;
        self
    }

    /// Sends anonymous users to a login page.
    ///
    /// # Panics
    ///
    /// If it is no path of this site.
    #[must_use]
    #[track_caller]
    pub const fn redirect(mut self, login: &'static str) -> Self {
        assert!(is_local(login), "a login page is a path on this site that starts with one `/`");
        self.redirect = Some(login);
        self
    }

    /// Allows requests that another site caused.
    #[must_use]
    pub const fn any_site(mut self) -> Self {
        self.any_site = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Debug` ends up in logs: where the guard is, and not who passes.
    #[test]
    fn debug_shows_where_the_guard_is() {
        let site = Site { handler: "app::posts::publish", file: "src/posts.rs", line: 7 };
        const NEEDS: &[Need] = &[Need::role("editor")];
        let shown = format!("{:?}", Policy::new(site, NEEDS));
        assert!(shown.starts_with("Policy { site: Site {"), "{shown}");
        assert!(shown.contains("app::posts::publish") && !shown.contains("editor"), "{shown}");
    }
}
