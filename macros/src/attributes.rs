//! What stands in `#[event(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, LitStr, Result, Type};

use crate::duration;

pub(crate) struct Attributes {
    pub(crate) output: Option<Type>,
    pub(crate) name: Option<String>,
    /// Nanoseconds, or off.
    pub(crate) limit: Option<Option<u64>>,
    pub(crate) version: Option<String>,
    pub(crate) json: bool,
    pub(crate) krate: TokenStream,
}

impl Attributes {
    pub(crate) fn parse(input: &DeriveInput) -> Result<Self> {
        if matches!(input.data, syn::Data::Union(_)) {
            return Err(Error::new(Span::call_site(), "an event is a struct or an enum"));
        }
        let krate = quote!(::busway);
        let mut attributes =
            Self { output: None, name: None, limit: None, version: None, json: false, krate };
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
            attribute.parse_nested_meta(|meta| attributes.read(&meta))?;
        }
        Ok(attributes)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let once = |is_set: bool| match is_set {
            true => Err(meta.error("given twice")),
            false => Ok(()),
        };
        if meta.path.is_ident("output") {
            once(self.output.is_some())?;
            self.output = Some(output(meta.value()?.parse()?)?);
        } else if meta.path.is_ident("name") {
            once(self.name.is_some())?;
            self.name = Some(name(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("timeout") {
            once(self.limit.is_some())?;
            self.limit = Some(timeout(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("version") {
            once(self.version.is_some())?;
            self.version = Some(meta.value()?.parse::<LitStr>()?.value());
        } else if meta.path.is_ident("json") {
            once(self.json)?;
            self.json = true;
        } else if meta.path.is_ident("crate") {
            let path: syn::Path = meta.value()?.parse::<LitStr>()?.parse()?;
            self.krate = quote!(#path);
        } else {
            let known = "`output`, `name`, `timeout`, `version`, `json` or `crate`";
            return Err(Error::new(meta.path.span(), format!("unknown option, expected {known}")));
        }
        Ok(())
    }
}

/// Handlers return `Option` and `Result` of an output by themselves: as outputs these would be
/// ambiguous.
fn output(output: Type) -> Result<Type> {
    let Type::Path(path) = &output else { return Ok(output) };
    let last = path.path.segments.last().map(|segment| segment.ident.to_string());
    match last.as_deref() {
        Some(wrapper @ ("Option" | "Result")) => {
            let text = format!(
                "name the value itself: a handler may return it, an `Option` or a `Result` of it; \
                 for a `{wrapper}` that is a value, wrap it in a type of your own"
            );
            Err(Error::new(output.span(), text))
        }
        _ => Ok(output),
    }
}

fn name(text: &LitStr) -> Result<String> {
    match &*text.value() {
        "" | "*" => Err(Error::new(text.span(), "an event's name is not empty and not `*`")),
        name => Ok(name.into()),
    }
}

fn timeout(text: &LitStr) -> Result<Option<u64>> {
    if text.value() == "off" {
        return Ok(None);
    }
    let nanos = duration::nanoseconds(&text.value()).ok_or_else(|| {
        let expected = "expected a duration as \"30s\", \"1.5m\" or \"250ms\", or \"off\"";
        Error::new(text.span(), expected)
    })?;
    Ok(Some(nanos))
}
