//! Guides for anyone who runs, reviews or changes jwtauth.
//!
//! Each page is a Markdown file in `src/docs`, so it can be read in the repository too. Modules are empty.

#[doc = include_str!("docs/api_keys.md")]
pub mod api_keys {}

#[doc = include_str!("docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("docs/deployment.md")]
pub mod deployment {}

#[doc = include_str!("docs/front_end.md")]
pub mod front_end {}

#[doc = include_str!("docs/operating.md")]
pub mod operating {}

#[doc = include_str!("docs/performance.md")]
pub mod performance {}

#[doc = include_str!("docs/requirements.md")]
pub mod requirements {}

#[doc = include_str!("docs/reverse_proxy.md")]
pub mod reverse_proxy {}

#[doc = include_str!("docs/scaling.md")]
pub mod scaling {}

#[doc = include_str!("docs/security.md")]
pub mod security {}

#[doc = include_str!("docs/troubleshooting.md")]
pub mod troubleshooting {}
