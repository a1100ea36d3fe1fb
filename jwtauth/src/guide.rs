//! Guides for those who run, review or change jwtauth.
//!
//! Each page is a Markdown file in `src/docs`, so it can be read in the repository too. A module here is empty except for
//! its page.

#[doc = include_str!("docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("docs/requirements.md")]
pub mod requirements {}

#[doc = include_str!("docs/security.md")]
pub mod security {}
