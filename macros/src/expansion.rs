//! The code that the derive generates.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, Path, Type, parse_quote};

use crate::attributes::Attributes;
use crate::tokens::located;
use crate::{lifetimes, output, own_type, uncovered};

/// The event, and the errors in its attributes.
pub(crate) fn expand(mut input: DeriveInput) -> TokenStream {
    let mut attributes = Attributes::read(&input);
    let error = attributes.error.take().map(Error::into_compile_error);
    let krate = attributes.krate.take().unwrap_or_else(|| parse_quote!(::busway));
    attributes.output = attributes.output.map(|output| own_type::written_out(output, &input));
    input.generics = lifetimes::made_static(input.generics);
    let reply = attributes.output.as_ref().map(|output| reply(&input, output, &krate));
    let event = event(&input, attributes, &krate);
    quote!(#error #event #reply)
}

/// The impl may name deprecated items: the author knows, and the warning is for the users.
fn event(input: &DeriveInput, attributes: Attributes, krate: &Path) -> TokenStream {
    let Attributes { output, name, limit, version, bytes, json, .. } = attributes;
    let of_type = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let type_name = of_type.unraw().to_string();
    let name = name.unwrap_or_else(|| type_name.clone());
    let output = output.unwrap_or_else(|| parse_quote!(()));
    let version = version
        .map_or_else(|| quote!(::core::env!("CARGO_PKG_VERSION")), |version| quote!(#version));
    let is_generic = input.generics.type_params().next().is_some()
        || input.generics.const_params().next().is_some();
    let shares_name = is_generic.then(|| {
        quote!(
            const SHARES_NAME: ::core::primitive::bool = true;
        )
    });
    let limit = limit.map(|nanos| limit_of(nanos, krate));
    let bytes = bytes.map(|of_fields| bytes_of(&of_fields));
    let to_json = json.map(|place| json_at(place, krate));
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::Event for #of_type #type_generics #where_clause {
            type Output = #output;
            const NAME: &'static ::core::primitive::str = #name;
            const SCHEMA: &'static ::core::primitive::str =
                ::core::concat!(::core::module_path!(), ".", #type_name, "@", #version);
            #shares_name
            #limit
            #bytes
            #to_json
        }
    }
}

fn limit_of(nanos: Option<u64>, krate: &Path) -> TokenStream {
    let limit = match nanos {
        Some(nanos) => quote!(After(::core::time::Duration::from_nanos(#nanos))),
        None => quote!(Off),
    };
    quote!(const LIMIT: #krate::Limit = #krate::Limit::#limit;)
}

/// Errors in what the function takes and returns are at its path.
fn bytes_of(of_fields: &Path) -> TokenStream {
    let place = Span::call_site().located_at(of_fields.span());
    let this = quote_spanned!(place=> self);
    // An error in a call is from the path to these, unless they are of another expansion: then it is
    // at the derive.
    let end = of_fields.segments.last().map_or(place, Spanned::span);
    let arguments = quote_spanned!(end=> (#this));
    let call = quote_spanned! {place=>
        let bytes: ::core::primitive::usize = #of_fields #arguments;
    };
    quote! {
        fn bytes(&self) -> ::core::primitive::usize {
            #call
            ::core::mem::size_of_val(self).saturating_add(bytes)
        }
    }
}

/// Errors in what the macro writes are where it is called: in the attribute.
fn json_at(place: Span, krate: &Path) -> TokenStream {
    located(quote!(#krate::__json_view!();), place)
}

/// Lets handlers return the output. They may return `()` anyway, and nobody can let them return what
/// was refused.
fn reply(input: &DeriveInput, output: &Type, krate: &Path) -> Option<TokenStream> {
    if output::is_unit(output) || uncovered::is_uncovered(output, &input.generics) {
        return None;
    }
    let of_type = &input.ident;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Some(quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #krate::Reply<#of_type #type_generics> for #output #where_clause {}
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_refused, expand, places, places_of};

    #[test]
    fn a_wrapper_is_no_output_and_what_is_inside_stands_for_it() {
        let option = r#"#[event(output = Option<u32>, name = "ask")] struct Ask;"#;
        let lines = ["type Output = u32", "Reply < Ask > for u32", r#"str = "ask""#];
        assert_refused(option, "`result_opt()` gives `None`", &lines);
        assert_refused(option, "an `Option` that is the value", &[]);
        let result = "#[event(output = (std::result::Result<(), u8>))] struct Ask;";
        assert_refused(result, "a `Result` that is the value", &["type Output = ()"]);
        assert!(!expand(result).contains("Reply"));
    }

    #[test]
    fn a_wrapper_of_ones_own_is_an_output() {
        for output in ["game::Result", "game::Option<'static>", "Vec<Option<u32>>"] {
            let expanded = expand(&format!("#[event(output = {output})] struct Ask;"));
            assert!(!expanded.contains("compile_error"), "{expanded}");
        }
    }

    #[test]
    fn an_output_is_not_quoted() {
        let text = "`output` is a type, without quotes";
        let quoted = r#"#[event(output = "u8", name = "ask")] struct Ask;"#;
        assert_refused(quoted, text, &["Output = u8", "Reply < Ask > for u8", r#"str = "ask""#]);
        assert_eq!(places(quoted), [r#""u8""#]);
        assert_refused(r#"#[event(output = "Option<u8>")] struct Ask;"#, text, &["Output = u8"]);
        assert_refused(r#"#[event(output = "an u8")] struct Ask;"#, text, &["Output = ()"]);
    }

    #[test]
    fn a_flag_that_is_given_a_value_is_told_at_its_name() {
        assert_eq!(places("#[event(name = \"ask\", json = true)] struct Ask;"), ["json"]);
    }

    #[test]
    fn errors_in_the_json_view_are_at_its_option() {
        let event = r#"#[event(name = "ask", json, crate = "of::mine")] struct Ask;"#;
        let call = "of : : mine : : __json_view ! () ;";
        assert!(places_of(call, event).iter().all(|place| place == "json"));
    }

    #[test]
    fn errors_in_the_bytes_are_at_the_path() {
        let call = "bytes : : : core : : primitive : : usize = heap (self) self ;";
        let places = places_of(call, "#[event(bytes = heap)] struct Ask;");
        assert!(places.iter().all(|place| place == "heap"), "{places:?}");
        let method = "#[event(bytes = Self::heap)] struct Ask;";
        assert_eq!(places_of("Self : : heap (self)", method), ["Self", ":", ":", "heap", "heap"]);
    }

    #[test]
    fn the_rest_is_read_behind_what_is_wrong() {
        for (wrong, text) in [
            ("(nmae = \"a\", output = u32)", "unknown option, expected `output`"),
            ("(name = \"*\", output = u32)", "not empty and not `*`"),
            ("(timeout = \"1 day\", output = u32)", "expected a duration"),
            ("(version = 2, output = u32)", "expected string literal"),
            ("(json, json, output = u32)", "given twice"),
            ("(json = true, output = u32)", "`json` takes no value"),
            ("(json = \"all\", output = u32)", "`json` takes no value"),
            ("(json(all), output = u32)", "`json` takes no value"),
            ("(crate = \"a b\", output = u32)", "unexpected token"),
            ("(bytes = 7, output = u32)", "expected identifier"),
            ("(name, output = u32)", "expected `=`"),
            ("] #[event(output = u32)", "expected attribute arguments"),
        ] {
            assert_refused(&format!("#[event{wrong}] struct Ask;"), text, &["Output = u32"]);
        }
        assert_refused("union Ask { a: u8 }", "an event is a struct or an enum", &[]);
    }

    #[test]
    fn each_wrong_option_is_told() {
        let expanded = expand(r#"#[event(name = "", timeout = "")] struct Ask;"#);
        assert_eq!(expanded.matches("compile_error").count(), 2, "{expanded}");
    }

    #[test]
    fn fields_and_variants_have_no_options() {
        for event in [
            "struct Ask(#[event(json)] u8);",
            "struct Ask { #[event(json)] a: u8 }",
            "enum Ask { #[event(json)] One }",
            "enum Ask { Two { #[event(anything at all)] a: u8 } }",
        ] {
            assert_refused(event, "stands in front of the type", &[]);
        }
        assert!(!expand("struct Ask(#[serde(skip)] u8);").contains("compile_error"));
    }
}
