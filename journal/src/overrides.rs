//! What an event decided for itself, as JSON.

use std::time::Duration;

use busway_core::journal::Settings;
use busway_core::{Completion, Concurrency, HandlerOrder, Limit};
use serde_json::{Map, Value};

const CONCURRENCIES: [(&str, Concurrency); 3] = [
    ("bus", Concurrency::BusSerial),
    ("hub", Concurrency::HubSerial),
    ("parallel", Concurrency::Parallel),
];
const ORDERS: [(&str, HandlerOrder); 2] =
    [("serial", HandlerOrder::Serial), ("parallel", HandlerOrder::Parallel)];
const COMPLETIONS: [(&str, Completion); 2] =
    [("all", Completion::All), ("first", Completion::First)];

/// Returns what there is to write: most events leave everything to their buses.
pub(crate) fn to_json(settings: &Settings) -> Option<Value> {
    let limit = match settings.limit {
        Limit::Inherit => None,
        Limit::After(limit) if !limit.is_zero() => Some(Value::from(limit.as_secs_f64())),
        Limit::Off | Limit::After(_) => Some(Value::Null),
    };
    let keys = [
        ("limit", limit),
        ("concurrency", name_of(settings.concurrency, &CONCURRENCIES)),
        ("handler_order", name_of(settings.handler_order, &ORDERS)),
        ("completion", name_of(settings.completion, &COMPLETIONS)),
    ];
    let written = keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let written: Map<_, _> = written.collect();
    (!written.is_empty()).then_some(Value::Object(written))
}

/// Reads what [`to_json`] wrote; `None` if it is something else.
pub(crate) fn from_json(json: Option<Value>) -> Option<Settings> {
    let mut settings = Settings::default();
    let mut keys = match json {
        None => return Some(settings),
        Some(Value::Object(keys)) => keys,
        Some(_) => return None,
    };
    settings.limit = match keys.remove("limit") {
        None => Limit::Inherit,
        Some(Value::Null) => Limit::Off,
        Some(seconds) => {
            let seconds = seconds.as_f64().filter(|seconds| *seconds >= 0.0)?;
            Limit::After(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        }
    };
    settings.concurrency = of_name(keys.remove("concurrency"), &CONCURRENCIES)?;
    settings.handler_order = of_name(keys.remove("handler_order"), &ORDERS)?;
    settings.completion = of_name(keys.remove("completion"), &COMPLETIONS)?;
    keys.is_empty().then_some(settings)
}

fn name_of<T: PartialEq>(value: Option<T>, names: &[(&str, T)]) -> Option<Value> {
    let value = value?;
    names.iter().find(|(_, named)| *named == value).map(|(name, _)| Value::from(*name))
}

fn of_name<T: Copy>(name: Option<Value>, names: &[(&str, T)]) -> Option<Option<T>> {
    let Some(name) = name else { return Some(None) };
    let name = name.as_str()?;
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| Some(*value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn r42_settings_are_read_as_they_are_written() {
        let some =
            |all: &[Concurrency]| all.iter().copied().map(Some).chain([None]).collect::<Vec<_>>();
        let concurrencies = some(&CONCURRENCIES.map(|(_, concurrency)| concurrency));
        let limits = [Limit::Inherit, Limit::Off, Limit::After(Duration::from_millis(1_500))];
        for limit in limits {
            for &concurrency in &concurrencies {
                for handler_order in
                    [None, Some(HandlerOrder::Parallel), Some(HandlerOrder::Serial)]
                {
                    for completion in [None, Some(Completion::First), Some(Completion::All)] {
                        let mut settings = Settings::default();
                        settings.limit = limit;
                        settings.concurrency = concurrency;
                        settings.handler_order = handler_order;
                        settings.completion = completion;
                        assert_eq!(from_json(to_json(&settings)), Some(settings));
                    }
                }
            }
        }
        assert_eq!(to_json(&Settings::default()), None);
    }

    #[test]
    fn other_json_is_not_read_as_settings() {
        for other in [
            json!(1),
            json!({"limit": "2s"}),
            json!({"limit": -1}),
            json!({"concurrency": "none"}),
            json!({"completion": null}),
            json!({"later": true}),
        ] {
            assert_eq!(from_json(Some(other.clone())), None, "{other}");
        }
    }
}
