//! Outputs that are a parameter of the event.
//!
//! No crate may implement a trait of another one, such as `Reply`, for any `T`, nor for a reference, a
//! `Box` or a `Pin` of it: those count as what they point to. And `T::Item` may be any type.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Error, Generics, Path, Type};

use crate::output;

/// Refuses an output for which nobody can implement `Reply`.
pub(crate) fn refused(output: &Type, generics: &Generics) -> Option<Error> {
    let text = "a parameter of the event is no output by itself, nor in a `Box`, a `Pin` or a \
                reference, nor is what it has associated: put it into a struct of your own, a `Vec` or an `Arc`";
    is_uncovered(output, generics).then(|| Error::new_spanned(output, text))
}

pub(crate) fn is_uncovered(output: &Type, generics: &Generics) -> bool {
    match output {
        Type::Group(group) => is_uncovered(&group.elem, generics),
        Type::Paren(paren) => is_uncovered(&paren.elem, generics),
        Type::Reference(reference) => is_uncovered(&reference.elem, generics),
        Type::Path(of_type) if of_type.qself.is_some() => mentions(output, generics),
        Type::Path(of_type) => match content(&of_type.path) {
            Some(content) => is_uncovered(content, generics),
            None => begins_with_parameter(&of_type.path, generics),
        },
        _ => false,
    }
}

/// Whether a parameter is anywhere in a type. What it has associated may then be any type.
fn mentions(of_type: &Type, generics: &Generics) -> bool {
    let idents = flat(of_type.to_token_stream());
    idents.iter().any(|ident| is_parameter(ident, generics))
}

fn flat(tokens: TokenStream) -> Vec<Ident> {
    let idents = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(ident) => vec![ident],
        TokenTree::Group(group) => flat(group.stream()),
        _ => Vec::new(),
    });
    idents.collect()
}

/// What is in the `Box` or `Pin`. In another module than that of the standard library, it is the
/// user's own.
fn content(path: &Path) -> Option<&Type> {
    let mut segments = path.segments.iter().rev();
    let last = segments.next()?;
    let module = match &*last.ident.to_string() {
        "Box" => "boxed",
        "Pin" => "pin",
        _ => return None,
    };
    let is_standard = segments.next().is_none_or(|segment| segment.ident == module);
    if is_standard { output::first_argument(last) } else { None }
}

/// Whether it is one, or something associated with one: `T` or `T::Item`.
fn begins_with_parameter(path: &Path, generics: &Generics) -> bool {
    let first = path.segments.first().filter(|_| path.leading_colon.is_none());
    first.is_some_and(|first| is_parameter(&first.ident, generics))
}

fn is_parameter(ident: &Ident, generics: &Generics) -> bool {
    generics.type_params().any(|parameter| parameter.ident.unraw() == ident.unraw())
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_refused, expand, places};

    #[test]
    fn a_parameter_is_no_output_by_itself() {
        for output in [
            "T",
            "Box<T>",
            "std::boxed::Box<T>",
            "core::pin::Pin<&'static mut T>",
            "&'static T",
            "&'static Box<(T)>",
            "r#T",
            "T::Item",
            "Box<T::Item>",
            "<T as Is>::It",
            "<[T; 2] as Is>::It",
            "<u8 as Is<T>>::It",
        ] {
            let event = format!("#[event(output = {output})] struct Ask<const N: u8, T>(T);");
            assert_refused(&event, "a `Vec` or an `Arc`", &["type Output ="]);
            assert_eq!(places(&event), [output]);
            assert!(!expand(&event).contains("Reply"));
        }
    }

    #[test]
    fn a_parameter_within_a_type_is_an_output() {
        for output in [
            "Vec<T>",
            "Arc<T>",
            "Pin<Arc<T>>",
            "Box<[T; 2]>",
            "(T, T)",
            "Mine<T>",
            "mine::Box<T>",
            "mine::T",
            "Box<Self>",
            "U",
        ] {
            let event = format!("#[event(output = {output})] struct Ask<const U: u8, T>(T);");
            assert!(places(&event).is_empty());
            assert!(expand(&event).contains("Reply"));
        }
    }
}
