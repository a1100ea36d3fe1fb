//! Takes the block of an API apart: the operations with their conditions, and the rest.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Meta, Pat, PatType, Path, Receiver, Signature,
    Type,
};

use super::super::args::Args;
use super::super::attributes::{has_name, take, take_public};
use super::oai::Oai;
use crate::errors::Errors;

/// A block of operations.
pub(super) struct Api {
    /// The user's block, without the attributes that were read.
    pub(super) block: ItemImpl,
    /// The `#[OpenApi]` above it.
    pub(super) openapi: Option<Attribute>,
    pub(super) operations: Vec<Operation>,
    /// Whether one of the operations is deprecated.
    pub(super) has_deprecated: bool,
}

/// A method with `#[oai(..)]`, which answers requests.
pub(super) struct Operation {
    /// Its `#[doc]` attributes.
    pub(super) attrs: Vec<Attribute>,
    pub(super) oai: Oai,
    /// Its arguments, joined with those of the block. `None` if it is public.
    pub(super) args: Option<Args>,
    /// The path of its `#[require_auth]`, if that names a module.
    pub(super) written: Option<Path>,
    pub(super) name: Ident,
    pub(super) receiver: Option<Receiver>,
    pub(super) params: Vec<Param>,
    pub(super) sig: Signature,
}

/// A parameter, as poem-openapi sees it.
pub(super) struct Param {
    /// Its attributes for poem-openapi.
    pub(super) attrs: Vec<Attribute>,
    pub(super) name: Ident,
    pub(super) ty: Type,
}

/// What to do instead of a `#[cfg]` inside of the block. poem-openapi routes what is configured out.
const CFG: &str = "poem-openapi reads the block before it is known what is configured out\n\
                   help: give the operation an API of its own, and put `#[cfg(..)]` on the block: \
                   `#[cfg(..)] #[require_auth] #[OpenApi] impl OtherApi { .. }`\n\
                   help: serve both as `OpenApiService::new((Api, OtherApi), ..)`";

/// Whether a block has a method that `#[OpenApi]` would take for an operation.
pub(super) fn has_operation(block: &ItemImpl) -> bool {
    block.items.iter().any(|item| matches!(item, ImplItem::Fn(method) if method.attrs.iter().any(is_oai)))
}

impl Api {
    /// Takes a block apart. A mistake is left out; the errors tell about it.
    pub(super) fn parse(mut block: ItemImpl, args: &Args) -> (Self, Errors) {
        let mut errors = Errors::default();
        if let Some(second) = take(&mut block.attrs, "require_auth") {
            errors.add(
                second.path().span(),
                "second `#[require_auth]` on one block: put all conditions in one",
            );
        }
        let openapi = take(&mut block.attrs, "OpenApi");
        if openapi.is_none() {
            errors.add(
                block.impl_token.span,
                "found no `#[OpenApi]` on this block of `#[oai]` methods\n\
                 help: put it right below `#[require_auth]`",
            );
        }
        let mut operations = Vec::new();
        for item in &mut block.items {
            match item {
                ImplItem::Fn(method) if method.attrs.iter().any(is_oai) => {
                    operations.push(Operation::parse(method, args, &mut errors));
                }
                other => refuse_attributes(other, &mut errors),
            }
        }
        if operations.is_empty() {
            errors.add(
                block.impl_token.span,
                "found no `#[oai]` method to protect\n\
                 help: each operation of the API is a method with `#[oai(path = \"..\", method = \"..\")]`",
            );
        }
        let has_deprecated = block.items.iter().any(|item| match item {
            ImplItem::Fn(method) => method.attrs.iter().any(|attr| attr.path().is_ident("deprecated")),
            _ => false,
        });
        (Self { block, openapi, operations, has_deprecated }, errors)
    }
}

impl Operation {
    /// Takes a method apart, and removes the attributes that are read here.
    fn parse(method: &mut ImplItemFn, block: &Args, errors: &mut Errors) -> Self {
        let oai = method.attrs.iter().find(|attr| is_oai(attr)).map(|attr| Oai::parse(attr, errors));
        let oai = oai.expect("only a method with `#[oai]` is an operation");
        let mut found = 0;
        method.attrs.retain(|attr| {
            found += usize::from(is_oai(attr));
            if is_oai(attr) && found == 2 {
                // poem-openapi reads the first one and ignores the others.
                errors.add(attr.path().span(), "second `#[oai]` on one operation: put all arguments in one");
            }
            !is_oai(attr)
        });
        if let Some(cfg) = method.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors.add(cfg.path().span(), format!("`#[cfg]` cannot be on an operation: {CFG}"));
        }
        let is_own = |attr: &&Attribute| has_name(attr, "require_auth") && attr.path().segments.len() > 1;
        let written = method.attrs.iter().find(is_own).map(|attr| attr.path().clone());
        let args = access(&mut method.attrs, block, errors);
        let params = params(&mut method.sig.inputs).map(|param| Param::parse(param, errors)).collect();
        Self {
            attrs: method.attrs.iter().filter(|attr| is_shared(attr)).cloned().collect(),
            oai,
            args,
            written,
            name: method.sig.ident.clone(),
            receiver: method.sig.receiver().cloned(),
            params,
            sig: method.sig.clone(),
        }
    }
}

impl Operation {
    /// Whether it has as many parameters as clippy allows, unless its settings say otherwise.
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.receiver.is_some()) + self.params.len() == 7
    }
}

impl Param {
    /// Takes a parameter apart, and removes the attributes that poem-openapi reads.
    fn parse(param: &mut PatType, errors: &mut Errors) -> Self {
        let (attrs, own) = std::mem::take(&mut param.attrs).into_iter().partition(is_for_document);
        param.attrs = own;
        if let Some(cfg) = param.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
            errors
                .add(cfg.path().span(), format!("`#[cfg]` cannot be on a parameter of an operation: {CFG}"));
        }
        let name = name_of(&param.pat).cloned().unwrap_or_else(|| {
            errors.add(
                param.pat.span(),
                "a parameter of an operation needs a name, because the document shows it: \
                 write `name: Type` or `Path(name): Path<Type>`",
            );
            Ident::new("__unnamed", param.pat.span())
        });
        Self { attrs, name, ty: Type::clone(&param.ty) }
    }
}

/// Returns the arguments of an operation, or `None` if it is public. Removes the attributes that say so.
fn access(attrs: &mut Vec<Attribute>, block: &Args, errors: &mut Errors) -> Option<Args> {
    let public = take_public(attrs);
    let Some(own) = take(attrs, "require_auth") else {
        return match public {
            Some(public) => {
                if !matches!(public.meta, Meta::Path(_)) {
                    errors.add(public.path().span(), "`#[public]` takes no arguments: write it alone, or leave it out to guard the operation");
                }
                None
            }
            None => Some(block.clone()),
        };
    };
    if let Some(second) = take(attrs, "require_auth") {
        errors.add(
            second.path().span(),
            "second `#[require_auth]` on one operation: put all conditions in one",
        );
    }
    if let Some(public) = public {
        errors.add(
            public.path().span(),
            "`#[public]` allows everyone, but `#[require_auth]` needs a user: remove one of the two",
        );
    }
    let tokens = match &own.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) => TokenStream::new(),
        Meta::NameValue(value) => {
            errors.add(value.eq_token.span(), "`#[require_auth]` takes its arguments in parentheses");
            TokenStream::new()
        }
    };
    let (args, more) = Args::parse(tokens);
    errors.extend(more);
    Some(args.under_block(block, errors))
}

/// Refuses attributes that only operations can have. Without an error, the method would look guarded.
fn refuse_attributes(item: &mut ImplItem, errors: &mut Errors) {
    let attrs = match item {
        ImplItem::Const(item) => &mut item.attrs,
        ImplItem::Fn(item) => &mut item.attrs,
        ImplItem::Macro(item) => &mut item.attrs,
        ImplItem::Type(item) => &mut item.attrs,
        _ => return,
    };
    while let Some((name, attr)) = take(attrs, "require_auth")
        .map(|attr| ("require_auth", attr))
        .or_else(|| take_public(attrs).map(|attr| ("public", attr)))
    {
        let message = format!(
            "`#[{name}]` is for operations, and this is not one: \
             it has no `#[oai(path = \"..\", method = \"..\")]`"
        );
        errors.add(attr.path().span(), message);
    }
}

/// Whether poem-openapi reads an attribute. Like poem-openapi, this accepts only the name without a path.
fn is_oai(attr: &Attribute) -> bool {
    attr.path().is_ident("oai")
}

/// Whether an attribute of an operation goes on the routed method too.
fn is_shared(attr: &Attribute) -> bool {
    attr.path().is_ident("doc")
}

/// Whether an attribute describes a parameter in the document.
fn is_for_document(attr: &Attribute) -> bool {
    is_oai(attr) || attr.path().is_ident("doc")
}

fn params<'a>(inputs: impl IntoIterator<Item = &'a mut FnArg>) -> impl Iterator<Item = &'a mut PatType> {
    inputs.into_iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    })
}

/// Returns a parameter's name in the document, by the rules of poem-openapi.
fn name_of(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(&pattern.ident),
        Pat::TupleStruct(pattern) if pattern.elems.len() == 1 => match pattern.elems.first() {
            Some(Pat::Ident(pattern)) => Some(&pattern.ident),
            _ => None,
        },
        _ => None,
    }
}
