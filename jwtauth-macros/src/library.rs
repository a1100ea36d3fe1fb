//! Where an expansion finds the library: `::jwtauth`, or the path that `crate = ..` names.
//!
//! An expansion takes everything that it uses from the library's `__private` module, even `Option` and
//! `concat!`. In the user's scope, those names may have another meaning.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{LitStr, Path};

use crate::spans::relocate;

/// The path of the library, as the user's crate knows it.
#[derive(Clone)]
pub(crate) struct Library(TokenStream);

impl Default for Library {
    fn default() -> Self {
        Self(quote!(::jwtauth))
    }
}

impl Library {
    /// Parses the value of `crate = ..`: a path, or a string with one, as in serde.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let start = input.span();
        let path = if input.peek(LitStr) {
            input.parse::<LitStr>()?.parse_with(Path::parse_mod_style)
        } else {
            input.call(Path::parse_mod_style)
        };
        match path {
            Ok(path) => Ok(Self(path.into_token_stream())),
            Err(_) => Err(syn::Error::new(
                start,
                "`crate` takes the path of the library: write `crate = ::path::to::jwtauth`",
            )),
        }
    }

    /// Returns the root of the library, for an expression whose errors point at `span`.
    pub(crate) fn root(&self, span: Span) -> TokenStream {
        relocate(self.0.clone(), span)
    }

    /// Returns the module for expansions, for an expression whose errors point at `span`.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        let root = &self.0;
        relocate(quote!(#root::__private), span)
    }
}
