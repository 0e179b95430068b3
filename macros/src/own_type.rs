//! `Self` in an output, written out: no impl is for a type that has `Self` in its name.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{DeriveInput, Type};

use crate::tokens::{located, within};

/// The output with the event's type in place of `Self`. Errors in it are where `Self` stands.
pub(crate) fn written_out(output: Type, event: &DeriveInput) -> Type {
    let (name, (_, generics, _)) = (&event.ident, event.generics.split_for_impl());
    let written = replaced(output.to_token_stream(), &quote!(#name #generics));
    syn::parse2(written).unwrap_or(output)
}

fn replaced(tokens: TokenStream, own: &TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut written = TokenStream::new();
    while let Some(token) = tokens.next() {
        written.extend(match token {
            TokenTree::Ident(of_event) if of_event == "Self" => {
                let own = if is_colon(tokens.peek()) { quote!(<#own>) } else { own.clone() };
                located(own, of_event.span())
            }
            TokenTree::Group(group) => within(&group, |inside| replaced(inside, own)).into(),
            other => other.into(),
        });
    }
    written
}

/// Whether it is one: `Self::Item` of a generic event is `<Ask<T>>::Item`.
fn is_colon(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':')
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_refused, expand, places_of};

    #[test]
    fn an_output_may_be_the_event() {
        for (output, event, written) in [
            ("Self", "enum Ask { One }", "Ask"),
            ("Self", "struct r#yield;", "r#yield"),
            ("Vec<Self>", "struct Ask;", "Vec < Ask >"),
            ("(Self, [u8; Self::N])", "struct Ask;", "(Ask , [u8 ; < Ask > :: N])"),
            ("<Self as Is<Self>>::It", "struct Ask;", "< Ask as Is < Ask > > :: It"),
            ("Self", "struct Ask<T: Copy, const N: u8 = 3>(T);", "Ask < T , N >"),
        ] {
            let expanded = expand(&format!("#[event(output = {output})] {event}"));
            assert!(expanded.contains(&format!("type Output = {written} ;")), "{expanded}");
            assert!(expanded.contains(&format!("for {written} {{ }}")), "{expanded}");
        }
    }

    #[test]
    fn an_option_of_the_event_is_refused_as_others_are() {
        let option = "#[event(output = Option<Self>)] struct Ask;";
        assert_refused(option, "an `Option` that is the value", &["type Output = Ask ;"]);
    }

    #[test]
    fn errors_in_the_event_as_an_output_are_where_it_is_named() {
        let event = "#[event(output = Vec<Self>)] struct Ask<T>(T);";
        assert_eq!(
            places_of("Vec < Ask < T > >", event),
            ["Vec", "<", "Self", "Self", "Self", "Self", ">"]
        );
    }
}
