//! Reads one line of a journal.

use std::collections::BTreeMap;
use std::time::Duration;

use busway_core::journal::Settings;
use busway_core::{Event, EventId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::Damage;
use crate::overrides;
use crate::text::{
    self, ACCEPTED, CHECKSUM, Checked, DISCARDED, OUTSIDE, RESULT_TYPE, SETTINGS, VALUE,
};
use crate::time;

/// A line of a journal: one event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// The name of the event's type.
    pub event_type: String,
    /// `module.Type@version`.
    pub schema: String,
    /// The limit of each invocation; `None` for none.
    pub timeout: Option<Duration>,
    /// The event's id, of any kind of UUID.
    pub id: EventId,
    /// The names of the buses it had reached, in order of arrival.
    pub path: Vec<String>,
    /// The event whose handler dispatched it.
    pub parent_id: Option<EventId>,
    /// When it was dispatched.
    pub created_at: Option<Timestamp>,
    /// When it completed.
    pub processed_at: Option<Timestamp>,
    /// Whether it was accepted or has completed.
    pub kind: Kind,
    /// What the event decided for itself.
    pub settings: Settings,
    /// It has a parent and was dispatched outside of its handlers, or what is between them was: when
    /// these run again, they do not make it again.
    pub is_outside: bool,
    /// All other keys: the payload's fields, and keys that this crate does not know.
    pub fields: Map<String, Value>,
    /// The payload as text, where `fields` cannot hold its numbers.
    exact: Option<String>,
}

/// Whether a line notes an acceptance or a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A write-ahead bus has accepted the event.
    Accepted {
        /// Which delivery of it this is, from 1.
        attempt: u32,
    },
    /// The event has completed.
    Completed,
    /// The event was [given up](crate::Journal::discard).
    Discarded,
}

impl Line {
    /// Parses one line, with or without its line feed.
    ///
    /// # Errors
    /// The bytes are not a line of a journal, or are damaged.
    pub fn parse(line: &[u8]) -> Result<Self, Damage> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let checked = text::check(line);
        if checked == Checked::Differs {
            return Err(Damage::Checksum);
        }
        let mut fields: Map<String, Value> =
            serde_json::from_slice(line).map_err(Damage::NotJson)?;
        if fields.remove(CHECKSUM).is_some() != (checked == Checked::Agrees) {
            return Err(Damage::Checksum);
        }
        fields.remove(RESULT_TYPE);
        Ok(Self {
            event_type: take(&mut fields, "event_type", text_of)?,
            schema: take(&mut fields, "event_schema", or_default(text_of))?,
            timeout: take(&mut fields, "event_timeout", optional(seconds))?,
            id: take(&mut fields, "event_id", id)?,
            path: take(&mut fields, "event_path", or_default(texts))?,
            parent_id: take(&mut fields, "event_parent_id", optional(id))?,
            created_at: take(&mut fields, "event_created_at", optional(timestamp))?,
            processed_at: take(&mut fields, "event_processed_at", optional(timestamp))?,
            kind: kind(fields.remove(ACCEPTED), fields.remove(DISCARDED))?,
            settings: take(&mut fields, SETTINGS, overrides::from_json)?,
            is_outside: take(&mut fields, OUTSIDE, or_default(flag))?,
            fields,
            exact: if text::has_huge_integer(line) { exact(line) } else { None },
        })
    }

    /// Decodes the payload as an event of type `E`, without looking at the event's name. Numbers come
    /// back as they were, including 128-bit integers, which `fields` has as floats. Infinite and NaN
    /// floats are null in JSON, and do not decode as floats.
    ///
    /// # Errors
    /// The fields are not those of an `E`.
    pub fn decode<E: Event + DeserializeOwned>(&self) -> Result<E, serde_json::Error> {
        if let Some(exact) = &self.exact {
            return serde_json::from_str(exact);
        }
        if let Some(value) = self.fields.get(VALUE) {
            return serde_json::from_value(value.clone());
        }
        match serde_json::from_value(Value::Object(self.fields.clone())) {
            // A type without fields is null in JSON, and has no keys here.
            Err(_) if self.fields.is_empty() => serde_json::from_value(Value::Null),
            decoded => decoded,
        }
    }

    /// Returns the payload as JSON: an object of all fields, or the value of a payload that is not an
    /// object.
    #[must_use]
    pub fn payload(&self) -> Value {
        match self.fields.get(VALUE) {
            Some(value) => value.clone(),
            None => Value::Object(self.fields.clone()),
        }
    }

    /// Returns the time from dispatch to completion, when the line has both.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        Some(self.processed_at?.since(self.created_at?))
    }
}

/// The payload's own text.
fn exact(line: &[u8]) -> Option<String> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(line).ok()?;
    if let Some(value) = fields.get(VALUE) {
        return Some(value.get().into());
    }
    let own = [ACCEPTED, DISCARDED, SETTINGS, OUTSIDE, CHECKSUM, RESULT_TYPE];
    fields.retain(|key, _| !text::KEYS.contains(&key.as_str()) && !own.contains(&key.as_str()));
    serde_json::to_string(&fields).ok()
}

fn take<T>(
    fields: &mut Map<String, Value>,
    key: &'static str,
    read: impl FnOnce(Option<Value>) -> Option<T>,
) -> Result<T, Damage> {
    read(fields.remove(key)).ok_or(Damage::Key { key })
}

/// Reads null or a missing value as `None`.
fn optional<T>(
    read: impl FnOnce(Option<Value>) -> Option<T>,
) -> impl FnOnce(Option<Value>) -> Option<Option<T>> {
    |value| match value {
        None | Some(Value::Null) => Some(None),
        value => read(value).map(Some),
    }
}

/// Reads null or a missing value as the default.
fn or_default<T: Default>(
    read: impl FnOnce(Option<Value>) -> Option<T>,
) -> impl FnOnce(Option<Value>) -> Option<T> {
    let read = optional(read);
    |value| read(value).map(Option::unwrap_or_default)
}

fn text_of(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn texts(value: Option<Value>) -> Option<Vec<String>> {
    match value? {
        Value::Array(values) => values.into_iter().map(|value| text_of(Some(value))).collect(),
        _ => None,
    }
}

fn id(value: Option<Value>) -> Option<EventId> {
    Uuid::try_parse(value?.as_str()?).ok().map(EventId::from)
}

fn seconds(value: Option<Value>) -> Option<Duration> {
    let seconds = value?.as_f64().filter(|seconds| *seconds >= 0.0)?;
    // Too long a duration is how the absence of a limit is written.
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn timestamp(value: Option<Value>) -> Option<Timestamp> {
    time::parse(value?.as_str()?)
}

fn flag(value: Option<Value>) -> Option<bool> {
    value?.as_bool()
}

fn kind(accepted: Option<Value>, discarded: Option<Value>) -> Result<Kind, Damage> {
    match (accepted, discarded) {
        (None, None) => Ok(Kind::Completed),
        (None, Some(Value::Bool(true))) => Ok(Kind::Discarded),
        (Some(attempt), None) => {
            let attempt = attempt.as_u64().and_then(|attempt| u32::try_from(attempt).ok());
            let attempt = attempt.ok_or(Damage::Key { key: ACCEPTED })?;
            Ok(Kind::Accepted { attempt })
        }
        _ => Err(Damage::Key { key: DISCARDED }),
    }
}
