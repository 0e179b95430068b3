//! What the tests of the derive share.

use proc_macro2::{TokenStream, TokenTree};

use crate::attributes::Attributes;
use crate::expansion;

/// The code generated for an event.
pub(crate) fn expand(event: &str) -> String {
    expansion::expand(syn::parse_str(event).unwrap()).to_string()
}

/// Exactly one error with this text is reported, and the event is still generated, with these
/// lines.
pub(crate) fn assert_refused(event: &str, text: &str, lines: &[&str]) {
    let expanded = expand(event);
    assert_eq!(expanded.matches("compile_error").count(), 1, "{expanded}");
    assert!(expanded.contains(text), "{text} is not in {expanded}");
    for line in lines.iter().chain(&[":: busway :: Event for Ask"]) {
        assert!(expanded.contains(line), "{line} is not in {expanded}");
    }
}

/// What the errors in an event's attributes and parameters point to.
pub(crate) fn places(event: &str) -> Vec<String> {
    let errors = Attributes::read(&syn::parse_str(event).unwrap()).error;
    errors.into_iter().flatten().map(|error| error.span().source_text().unwrap()).collect()
}

/// What these tokens of the generated code point to. They are parted by spaces.
pub(crate) fn places_of(written: &str, event: &str) -> Vec<String> {
    let generated = tokens(expansion::expand(syn::parse_str(event).unwrap()));
    let written: Vec<_> = written.split(' ').collect();
    let texts: Vec<_> = generated.iter().map(ToString::to_string).collect();
    let start = texts.windows(written.len()).position(|window| window == written).unwrap();
    let found = &generated[start..start + written.len()];
    found.iter().map(|token| token.span().source_text().unwrap()).collect()
}

/// All tokens. What is in a group is behind it.
fn tokens(tokens: TokenStream) -> Vec<TokenTree> {
    let flat = |token: TokenTree| match &token {
        TokenTree::Group(group) => {
            let inside = self::tokens(group.stream());
            [vec![token], inside].concat()
        }
        _ => vec![token],
    };
    tokens.into_iter().flat_map(flat).collect()
}
