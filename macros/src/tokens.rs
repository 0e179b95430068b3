//! Tokens, changed or moved.

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// The tokens at another place. What they name is looked up where it was.
pub(crate) fn located(tokens: TokenStream, place: Span) -> TokenStream {
    let locate = |mut token: TokenTree| {
        if let TokenTree::Group(group) = token {
            token = within(&group, |inside| located(inside, place));
        }
        token.set_span(token.span().located_at(place));
        token
    };
    tokens.into_iter().map(locate).collect()
}

/// The group with something else inside.
pub(crate) fn within(group: &Group, change: impl FnOnce(TokenStream) -> TokenStream) -> TokenTree {
    let mut changed = Group::new(group.delimiter(), change(group.stream()));
    changed.set_span(group.span());
    changed.into()
}
