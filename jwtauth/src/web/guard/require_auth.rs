//! [`RequireAuth`], the guard of a whole tree of routes, with the conditions of `#[require_auth]`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Duration;

use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::admit::admit;
use super::policy::{Need, Policy, Site};

#[doc = include_str!("../../docs/require_auth_guard.md")]
#[derive(Debug)]
#[must_use = "it guards nothing until `.with(..)` has put it around an endpoint"]
pub struct RequireAuth {
    guard: TreeGuard,
    _not_data: GivenAsDataItGuardsNothing,
}

/// Keeps a guard from being data of a request, because that is shared between threads: as an `Arc` and as a
/// reference too. Its name tells the reason in the message of the compiler.
#[derive(Clone, Debug)]
struct GivenAsDataItGuardsNothing(PhantomData<Cell<()>>);

/// What a guard asks for.
#[derive(Clone, Debug)]
pub(crate) struct TreeGuard {
    policy: Policy,
    needs: Vec<Need>,
}

impl RequireAuth {
    /// Asks for a logged-in user.
    #[track_caller]
    pub fn new() -> Self {
        let place = Location::caller();
        let site = Site { handler: Site::TREE, file: place.file(), line: place.line() };
        Self {
            guard: TreeGuard { policy: Policy::new(site, &[]), needs: Vec::new() },
            _not_data: GivenAsDataItGuardsNothing(PhantomData),
        }
    }

    /// Asks for a role as well. Called again, for another one too.
    ///
    /// # Panics
    ///
    /// If the name is empty, or looks like several.
    #[track_caller]
    pub fn role(self, role: &'static str) -> Self {
        self.need(Need::role(role))
    }

    /// Asks for at least one of these roles as well.
    ///
    /// # Panics
    ///
    /// If the list is empty, or a name is empty or looks like several.
    #[track_caller]
    pub fn any_role(self, roles: &'static [&'static str]) -> Self {
        self.need(Need::any_role(roles))
    }

    /// Asks for each of these roles as well.
    ///
    /// # Panics
    ///
    /// If the list is empty, or a name is empty or looks like several.
    #[track_caller]
    pub fn all_roles(self, roles: &'static [&'static str]) -> Self {
        self.need(Need::all_roles(roles))
    }

    /// Asks for a scope as well. Called again, for another one too.
    ///
    /// # Panics
    ///
    /// If the name is no scope (RFC 6749, section 3.3), or looks like several.
    #[track_caller]
    pub fn scope(self, scope: &'static str) -> Self {
        self.need(Need::scope(scope))
    }

    /// Asks for at least one of these scopes as well.
    ///
    /// # Panics
    ///
    /// If the list is empty, or a name is no scope (RFC 6749, section 3.3) or looks like several.
    #[track_caller]
    pub fn any_scope(self, scopes: &'static [&'static str]) -> Self {
        self.need(Need::any_scope(scopes))
    }

    /// Asks for each of these scopes as well.
    ///
    /// # Panics
    ///
    /// If the list is empty, or a name is no scope (RFC 6749, section 3.3) or looks like several.
    #[track_caller]
    pub fn all_scopes(self, scopes: &'static [&'static str]) -> Self {
        self.need(Need::all_scopes(scopes))
    }

    /// Asks for a login that is not older than this (RFC 9470). Whole seconds count.
    pub fn fresh(mut self, max_age: Duration) -> Self {
        self.guard.policy = self.guard.policy.fresh(max_age.as_secs());
        self
    }

    /// Refuses API keys: only people pass who are logged in.
    pub fn no_api_keys(mut self) -> Self {
        self.guard.policy = self.guard.policy.no_api_keys();
        self
    }

    /// Sends anonymous users who are opening a page to this login page, with the page that they asked for as
    /// `next`. It is a path on this site. See [`local_path`](crate::local_path) for the way back.
    ///
    /// # Panics
    ///
    /// If it is no path on this site.
    #[track_caller]
    pub fn redirect(mut self, login: &'static str) -> Self {
        self.guard.policy = self.guard.policy.redirect(login);
        self
    }

    /// Says whether requests that another site caused are refused. Default: they are.
    pub fn csrf(mut self, check: bool) -> Self {
        self.guard.policy.any_site = !check;
        self
    }

    fn need(mut self, need: Need) -> Self {
        self.guard.needs.push(need);
        self
    }

    /// Returns what it asks for, to be put in front of something.
    pub(crate) fn into_guard(self) -> TreeGuard {
        self.guard
    }
}

impl TreeGuard {
    pub(crate) const fn login_page(&self) -> Option<&'static str> {
        self.policy.redirect
    }

    /// Lets a request through if its caller meets the conditions.
    pub(crate) async fn admit(&self, request: &Request) -> Result<()> {
        admit(request, &self.policy, &self.needs).await
    }
}

impl Default for RequireAuth {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Endpoint> Middleware<E> for RequireAuth {
    type Output = RequireAuthEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RequireAuthEndpoint { inner, guard: self.guard.clone() }
    }
}

/// Never implemented.
#[diagnostic::on_unimplemented(
    message = "`RequireAuth` is a middleware: as data of a request it would guard nothing",
    label = "write `.with(..)`, not `.data(..)`",
    note = "to guard two trees with it, write `.with(&guard)` twice"
)]
pub trait RequestData {}

/// Stands for the guard in a bound. The lifetime delays the bound until somebody asks for a clone.
#[derive(Debug)]
pub struct GuardAsData<'a>(#[allow(dead_code)] &'a ());

/// `.data(..)` needs a `Clone`. This one never holds, and says why.
#[doc(hidden)]
impl Clone for RequireAuth
where
    for<'a> GuardAsData<'a>: RequestData,
{
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone(), _not_data: self._not_data.clone() }
    }
}

/// The endpoint that [`RequireAuth`] makes of another one.
#[derive(Debug)]
pub struct RequireAuthEndpoint<E> {
    inner: E,
    guard: TreeGuard,
}

impl<E: Endpoint> Endpoint for RequireAuthEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        self.guard.admit(&request).await?;
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}
