//! The options of `#[event(…)]`.

use proc_macro2::{Span, TokenTree};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Generics, LitStr, Path, Result, Token, Type,
};

use crate::{duration, lifetimes, output, uncovered};

#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) output: Option<Type>,
    pub(crate) name: Option<String>,
    /// In nanoseconds; `Some(None)` is off.
    pub(crate) limit: Option<Option<u64>>,
    pub(crate) version: Option<String>,
    /// The function that returns the bytes its fields point to.
    pub(crate) bytes: Option<Path>,
    /// Where it stands, if it was given.
    pub(crate) json: Option<Span>,
    pub(crate) krate: Option<Path>,
    /// All errors found. The rest is read nevertheless: an event that exists, with most of what it
    /// should have, spares its user the errors that follow from a missing one.
    pub(crate) error: Option<Error>,
}

impl Attributes {
    pub(crate) fn read(input: &DeriveInput) -> Self {
        let mut attributes = Self::default();
        if matches!(input.data, Data::Union(_)) {
            attributes.note(Error::new(Span::call_site(), "an event is a struct or an enum"));
        }
        for attribute in of_events(&input.attrs) {
            attributes.read_one(attribute);
        }
        for attribute in of_events(inside(&input.data)) {
            let text = "`#[event(…)]` stands in front of the type: fields and variants have none";
            attributes.note(Error::new_spanned(attribute, text));
        }
        attributes.check_parameters(&input.generics);
        attributes
    }

    fn check_parameters(&mut self, generics: &Generics) {
        let output = self.output.as_ref();
        let uncovered = output.and_then(|output| uncovered::refused(output, generics));
        let borrows = lifetimes::refused(generics);
        uncovered.into_iter().chain(borrows).for_each(|error| self.note(error));
    }

    fn read_one(&mut self, attribute: &Attribute) {
        let read = attribute.parse_nested_meta(|option| {
            self.read_option(&option).or_else(|error| {
                self.note(error);
                skip(&option)
            })
        });
        read.unwrap_or_else(|error| self.note(error));
    }

    fn read_option(&mut self, option: &ParseNestedMeta<'_>) -> Result<()> {
        let is = |name| option.path.is_ident(name);
        if is("output") {
            self.read_output(option)
        } else if is("name") {
            set(&mut self.name, name(&option.value()?.parse()?)?, option)
        } else if is("timeout") {
            set(&mut self.limit, timeout(&option.value()?.parse()?)?, option)
        } else if is("version") {
            set(&mut self.version, option.value()?.parse::<LitStr>()?.value(), option)
        } else if is("bytes") {
            set(&mut self.bytes, option.value()?.parse()?, option)
        } else if is("json") {
            takes_no_value(option)?;
            set(&mut self.json, option.path.span(), option)
        } else if is("crate") {
            set(&mut self.krate, option.value()?.parse::<LitStr>()?.parse()?, option)
        } else {
            let known = "`output`, `name`, `timeout`, `version`, `bytes`, `json` or `crate`";
            Err(option.error(format!("unknown option, expected {known}")))
        }
    }

    fn read_output(&mut self, option: &ParseNestedMeta<'_>) -> Result<()> {
        let (output, error) = output::read(option.value()?)?;
        let given = set(&mut self.output, output, option);
        error.map_or(given, Err)
    }

    fn note(&mut self, error: Error) {
        match &mut self.error {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }
}

/// The `#[event(…)]` attributes among them.
fn of_events<'a>(
    attributes: impl IntoIterator<Item = &'a Attribute>,
) -> impl Iterator<Item = &'a Attribute> {
    attributes.into_iter().filter(|attribute| attribute.path().is_ident("event"))
}

/// The attributes of fields and variants.
fn inside(data: &Data) -> Vec<&Attribute> {
    match data {
        Data::Struct(data) => of_fields(&data.fields).collect(),
        Data::Enum(data) => data
            .variants
            .iter()
            .flat_map(|variant| variant.attrs.iter().chain(of_fields(&variant.fields)))
            .collect(),
        Data::Union(_) => Vec::new(),
    }
}

fn of_fields(fields: &Fields) -> impl Iterator<Item = &Attribute> {
    fields.iter().flat_map(|field| &field.attrs)
}

fn set<T>(place: &mut Option<T>, value: T, option: &ParseNestedMeta<'_>) -> Result<()> {
    match place.replace(value) {
        Some(_) => Err(option.error("given twice")),
        None => Ok(()),
    }
}

fn takes_no_value(option: &ParseNestedMeta<'_>) -> Result<()> {
    if option.input.is_empty() || option.input.peek(Token![,]) {
        return Ok(());
    }
    let name = option.path.require_ident()?;
    Err(Error::new(name.span(), format!("`{name}` takes no value")))
}

/// Skips the rest of a wrong option.
fn skip(option: &ParseNestedMeta<'_>) -> Result<()> {
    while !option.input.is_empty() && !option.input.peek(Token![,]) {
        option.input.parse::<TokenTree>()?;
    }
    Ok(())
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
