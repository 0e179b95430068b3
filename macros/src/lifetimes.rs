//! Lifetime parameters, which no event has.

use syn::{Error, Generics, parse_quote};

/// Refuses the first of them.
pub(crate) fn refused(generics: &Generics) -> Option<Error> {
    let first = &generics.lifetimes().next()?.lifetime;
    Some(Error::new_spanned(first, "an event is `'static`: it cannot borrow"))
}

/// Has all be `'static`: then the impl is in order, and no error follows from the first.
pub(crate) fn made_static(mut generics: Generics) -> Generics {
    for parameter in generics.lifetimes_mut() {
        parameter.bounds.push(parse_quote!('static));
    }
    generics
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_refused, places};

    #[test]
    fn an_event_does_not_borrow() {
        for (event, line) in [
            ("struct Ask<'a>(&'a str);", "impl < 'a : 'static > :: busway :: Event for Ask < 'a >"),
            ("enum Ask<'a, 'b: 'a, T> { A(&'a T), B(&'b T) }", "'b : 'a + 'static , T >"),
            ("#[event(output = &'a u8)] struct Ask<'a>(&'a u8);", "for & 'a u8"),
        ] {
            assert_refused(event, "an event is `'static`: it cannot borrow", &[line]);
            assert_eq!(places(event), ["'a"]);
        }
    }
}
