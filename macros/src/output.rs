//! Checks what `output = Type` may be.

use syn::parse::ParseStream;
use syn::{Error, GenericArgument, LitStr, PathArguments, PathSegment, Result, Type};

/// The output. If something is wrong with it, the type to go on with, and the error.
pub(crate) fn read(value: ParseStream<'_>) -> Result<(Type, Option<Error>)> {
    let Some(text) = value.parse::<Option<LitStr>>()? else {
        return Ok(checked(value.parse()?));
    };
    let error = Error::new(text.span(), "`output` is a type, without quotes");
    match text.parse() {
        Ok(quoted) => Ok((checked(quoted).0, Some(error))),
        Err(_) => Err(error),
    }
}

pub(crate) fn is_unit(output: &Type) -> bool {
    matches!(output, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn checked(output: Type) -> (Type, Option<Error>) {
    let output = peeled(output);
    match refused(&output) {
        Some((error, inside)) => (inside, Some(error)),
        None => (output, None),
    }
}

/// Strips parentheses from the type, and the invisible group that a `$output:ty` of a `macro_rules!`
/// puts around it.
fn peeled(mut output: Type) -> Type {
    loop {
        output = match output {
            Type::Group(group) => *group.elem,
            Type::Paren(paren) => *paren.elem,
            _ => return output,
        };
    }
}

/// Refuses `Option` and `Result`: handlers return them around an output anyway, so as outputs they
/// would be ambiguous. Returns the error, and the inner type to go on with.
fn refused(output: &Type) -> Option<(Error, Type)> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last()?;
    let wrapper = match &*last.ident.to_string() {
        "Option" => "an `Option`",
        "Result" => "a `Result`",
        _ => return None,
    };
    // A type of this name without arguments is the user's own.
    let inside = first_argument(last)?;
    let text = format!(
        "name the value itself: a handler may return it, an `Option` or a `Result` of it, and \
         `result_opt()` gives `None` when none returned it; {wrapper} that is the value goes into \
         a type of your own"
    );
    Some((Error::new_spanned(output, text), peeled(inside.clone())))
}

/// The first type among its arguments.
pub(crate) fn first_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of_type) => Some(of_type),
        _ => None,
    })
}
