//! `#[derive(Event)]` for the busway event bus.
//!
//! ```text
//! #[derive(Event)]
//! #[event(output = Session, name = "UserLogin", timeout = "30s", version = "2", json)]
//! struct UserLogin { username: String }
//! ```
//!
//! | attribute | meaning | unless given |
//! |---|---|---|
//! | `output = Type` | what handlers answer with | `()`: no value |
//! | `name = "…"` | the name handlers can be registered by | the type's name |
//! | `timeout = "…"` | the limit of each invocation: a number with `ns`, `us`, `ms`, `s`, `m` or `h`; `"off"` for none | the bus's |
//! | `version = "…"` | the version in the schema, `module.Type@version` | the crate's |
//! | `json` | the event has a JSON view; its type is `serde::Serialize`, and the feature `serde` is on | none |
//! | `crate = "…"` | the path of the crate that has the trait | `::busway` |

mod attributes;
mod duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use self::attributes::Attributes;

/// Makes a type an event. See the [crate page](crate) for the attributes.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Attributes { output, name, limit, version, json, krate } = Attributes::parse(input)?;
    let of_type = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let name = name.unwrap_or_else(|| of_type.to_string());
    let type_name = of_type.to_string();
    let version = version
        .map_or_else(|| quote!(::core::env!("CARGO_PKG_VERSION")), |version| quote!(#version));
    let limit = limit.map(|limit| {
        let limit = match limit {
            Some(nanos) => quote!(After(::core::time::Duration::from_nanos(#nanos))),
            None => quote!(Off),
        };
        quote!(const LIMIT: #krate::Limit = #krate::Limit::#limit;)
    });
    let to_json = json.then(|| {
        quote! {
            fn to_json(&self) -> ::core::option::Option<#krate::__private::JsonResult> {
                ::core::option::Option::Some(#krate::__private::to_json(self))
            }

            fn to_json_text(&self) -> ::core::option::Option<#krate::__private::JsonTextResult> {
                ::core::option::Option::Some(#krate::__private::to_json_text(self))
            }
        }
    });
    let reply = output.iter().filter(|output| !is_unit(output)).map(|output| {
        quote! {
            #[automatically_derived]
            impl #impl_generics #krate::Reply<#of_type #type_generics> for #output #where_clause {}
        }
    });
    let reply = quote!(#(#reply)*);
    let output = output.as_ref().map_or_else(|| quote!(()), |output| quote!(#output));
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Event for #of_type #type_generics #where_clause {
            type Output = #output;
            const NAME: &'static str = #name;
            const SCHEMA: &'static str =
                ::core::concat!(::core::module_path!(), ".", #type_name, "@", #version);
            #limit
            #to_json
        }
        #reply
    })
}

fn is_unit(output: &syn::Type) -> bool {
    matches!(output, syn::Type::Tuple(tuple) if tuple.elems.is_empty())
}
