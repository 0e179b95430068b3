//! Outputs that are a parameter of the event.
//!
//! No crate may implement a trait of another one, such as `Reply`, for any `T`, nor for a reference, a
//! `Box` or a `Pin` of it: those count as what they point to.

use syn::ext::IdentExt;
use syn::{Error, Generics, Path, Type};

use crate::output;

/// Refuses an output for which nobody can implement `Reply`.
pub(crate) fn refused(output: &Type, generics: &Generics) -> Option<Error> {
    let text = "a parameter of the event is no output by itself, nor in a `Box`, a `Pin` or a \
                reference: put it into a struct of your own, a `Vec` or an `Arc`";
    is_uncovered(output, generics).then(|| Error::new_spanned(output, text))
}

pub(crate) fn is_uncovered(output: &Type, generics: &Generics) -> bool {
    match output {
        Type::Group(group) => is_uncovered(&group.elem, generics),
        Type::Paren(paren) => is_uncovered(&paren.elem, generics),
        Type::Reference(reference) => is_uncovered(&reference.elem, generics),
        Type::Path(of_type) if of_type.qself.is_none() => match content(&of_type.path) {
            Some(content) => is_uncovered(content, generics),
            None => is_parameter(&of_type.path, generics),
        },
        _ => false,
    }
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

fn is_parameter(path: &Path, generics: &Generics) -> bool {
    let Some(name) = path.get_ident().map(IdentExt::unraw) else { return false };
    generics.type_params().any(|parameter| parameter.ident.unraw() == name)
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
