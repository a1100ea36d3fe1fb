//! How the texts of pages are written down: each with what it is for and its English, once.

/// Texts with their English, and fields of other types, which have a default.
macro_rules! text_fields {
    (
        $(#[$of:meta])* $texts:ident {
            $($(#[doc = $doc:literal])+ $name:ident = $english:literal;)+
        }
        $($(#[doc = $also_doc:literal])+ $also:ident: $type:ty;)*
    ) => {
        $(#[$of])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $texts {
            $($(#[doc = $doc])+ #[doc = concat!(" Default: `", $english, "`")]
            pub $name: std::borrow::Cow<'static, str>,)+
            $($(#[doc = $also_doc])+ pub $also: $type,)*
        }

        impl Default for $texts {
            fn default() -> Self {
                Self {
                    $($name: std::borrow::Cow::Borrowed($english),)+
                    $($also: Default::default(),)*
                }
            }
        }
    };
}

pub(super) use text_fields;
