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

/// What the last of these tokens of the generated code points to.
pub(crate) fn place(event: &str, of: &[&str]) -> String {
    let generated = tokens(expansion::expand(syn::parse_str(event).unwrap()));
    let is_it =
        |window: &&[TokenTree]| window.iter().map(ToString::to_string).eq(of.iter().copied());
    let found = generated.windows(of.len()).find(is_it).unwrap();
    found.last().unwrap().span().source_text().unwrap()
}

/// All tokens, and those in groups instead of the groups.
fn tokens(tokens: TokenStream) -> Vec<TokenTree> {
    let flat = |token| match token {
        TokenTree::Group(group) => self::tokens(group.stream()),
        other => vec![other],
    };
    tokens.into_iter().flat_map(flat).collect()
}
