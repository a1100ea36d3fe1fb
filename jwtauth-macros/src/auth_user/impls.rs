//! Writes the impls that make a type a user type.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::fields::TypeSettings;
use super::sources::{Source, Sources};
use crate::library::Library;
use crate::spans::{blame, relocate_name};

/// Returns `AuthUser` and `FromRequest` for the type.
pub(super) fn impls(name: &Ident, settings: &TypeSettings, sources: &Sources) -> TokenStream {
    let library = &settings.library;
    let span = blame(name.span());
    let root = library.root(span);
    let private = library.private(span);
    let kind = settings.kind.clone().unwrap_or_else(|| name.unraw().to_string());
    // Before a session is written or read. A kind that was chosen may be that of several types.
    let is_chosen = settings.kind.is_some();
    let note = quote_spanned! {span=>
        static __NOTE: #private::KindNote = #private::KindNote::new(#is_chosen);
        __NOTE.note::<Self>();
    };
    let fields = copy_fields(&private, sources, span);
    // Both impls have one place, so that a missing `Clone` is reported once.
    let name = relocate_name(name, span);
    let subject = match &sources.id {
        Some(Source { member, ty }) => {
            let span = blame(ty.span());
            let private = library.private(span);
            quote_spanned!(span=> #private::ToString::to_string(&self.#member))
        }
        // It never runs, because an error stands beside it.
        None => quote!(loop {}),
    };
    let roles = sources.roles.as_ref().map(|source| list("roles", library, source));
    let scopes = sources.scopes.as_ref().map(|source| list("scopes", library, source));
    let active = sources.active.as_ref().map(|Source { member, ty }| {
        let span = blame(ty.span());
        let private = library.private(span);
        let method = Ident::new("is_active", span);
        quote_spanned! {span=>
            fn #method(&self) -> #private::bool {
                #private::Flag::is_set(&self.#member)
            }
        }
    });
    quote_spanned! {span=>
        #[automatically_derived]
        impl #root::AuthUser for #name {
            type Store = ();

            const KIND: #private::Option<&'static #private::str> = #private::Option::Some(#kind);

            fn subject(&self) -> #private::String {
                #subject
            }

            #roles
            #scopes
            #active

            fn session_copy(
                &self,
            ) -> #private::Result<#private::Option<#private::Vec<u8>>, #private::BoxError> {
                #note
                #private::copy_of(self, &#fields)
            }

            async fn load(
                _: &Self::Store,
                __who: &#root::Identity,
            ) -> #private::Result<#private::Option<Self>, #private::BoxError> {
                #note
                #private::load_copy(__who)
            }
        }

        #[automatically_derived]
        impl<'a> #private::FromRequest<'a> for #name {
            async fn from_request(
                __req: &'a #private::Request,
                _: &mut #private::RequestBody,
            ) -> #private::PoemResult<Self> {
                #private::current_user::<Self>(__req).await
            }
        }

        #[automatically_derived]
        impl #private::RefusesAnonymous for #name {}
    }
}

/// Returns the names of the fields that are read, for errors about the copy.
fn copy_fields(private: &TokenStream, sources: &Sources, span: Span) -> TokenStream {
    let name = |source: &Option<Source>| source.as_ref().map(Source::name).unwrap_or_default();
    let [id, roles, scopes, active] =
        [&sources.id, &sources.roles, &sources.scopes, &sources.active].map(name);
    let flattened = &sources.flattened;
    quote_spanned! {span=>
        #private::CopyFields {
            id: #id,
            roles: #roles,
            scopes: #scopes,
            active: #active,
            flattened: &[#(#flattened),*],
        }
    }
}

/// Returns a method that turns each item of a field into a string.
fn list(method: &str, library: &Library, source: &Source) -> TokenStream {
    let Source { member, ty } = source;
    let span = blame(ty.span());
    let private = library.private(span);
    let method = Ident::new(method, span);
    quote_spanned! {span=>
        fn #method(&self) -> #private::Vec<#private::String> {
            #private::Collection::names(&self.#member)
        }
    }
}
