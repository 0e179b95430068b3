//! The text of a line: the keys of every event, the payload's fields, our own, the checksum.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use busway_core::journal::Entry;
use busway_core::{BoxError, Timestamp};
use serde_json::Value;

use crate::error::{ReservedKey, UnreadablePayload};
use crate::line::Line;
use crate::overrides;
use crate::readable::Readable;

/// The keys of every event, in the order of bubus 1.4.3.
pub(crate) const KEYS: [&str; 8] = [
    "event_type",
    "event_schema",
    "event_timeout",
    "event_id",
    "event_path",
    "event_parent_id",
    "event_created_at",
    "event_processed_at",
];
/// Holds the results of an event in bubus, which does not write it.
const RESULTS: &str = "event_results";
/// Written by bubus 1.5: the Python type of the results, which means nothing here.
pub(crate) const RESULT_TYPE: &str = "event_result_type";
/// Our own keys begin with this.
const OWN: &str = "busway_";
/// Holds a payload that is not an object.
pub(crate) const VALUE: &str = "busway_value";
/// Marks an acceptance; its value is the number of the delivery.
pub(crate) const ACCEPTED: &str = "busway_accepted";
/// Holds what the event decided for itself, in acceptances.
pub(crate) const SETTINGS: &str = "busway_settings";
/// Marks the acceptance of an event that was dispatched outside of its parent's handlers.
pub(crate) const OUTSIDE: &str = "busway_outside";
/// Marks the line of an event that was given up.
pub(crate) const DISCARDED: &str = "busway_discarded";
pub(crate) const CHECKSUM: &str = "busway_crc";

/// The last key of a line with a checksum, around its eight digits.
const CHECK_HEAD: &str = ",\"busway_crc\":\"";
const CHECK_TAIL: &str = "\"}";
const DIGITS: usize = 8;
const CHECK_LEN: usize = CHECK_HEAD.len() + DIGITS + CHECK_TAIL.len();
/// With up to this many wrong characters, it is taken for a damaged checksum.
const ALIKE: usize = 4;

/// About the length of a line without its payload.
const AROUND: usize = 400;

/// Returns a line, with its line feed.
pub(crate) fn line(entry: &Entry<'_>, checksum: bool) -> String {
    let mut line = String::with_capacity(AROUND + entry.payload.len());
    let out = &mut line;
    out.push_str("{\"event_type\":");
    push_text(out, entry.event_type);
    out.push_str(",\"event_schema\":");
    push_text(out, entry.schema);
    out.push_str(",\"event_timeout\":");
    match entry.timeout {
        Some(timeout) => put(out, format_args!("{}", Value::from(timeout.as_secs_f64()))),
        None => out.push_str("null"),
    }
    put(out, format_args!(",\"event_id\":\"{}\",\"event_path\":[", entry.id));
    for (at, bus) in entry.path.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, bus);
    }
    out.push_str("],\"event_parent_id\":");
    match entry.parent_id {
        Some(id) => put(out, format_args!("\"{id}\"")),
        None => out.push_str("null"),
    }
    put(
        out,
        format_args!(",\"event_created_at\":\"{}\",\"event_processed_at\":", entry.created_at),
    );
    match entry.completed_at {
        Some(at) => put(out, format_args!("\"{at}\"")),
        None => out.push_str("null"),
    }
    push_payload(out, entry.payload);
    if entry.completed_at.is_none() {
        push_acceptance(out, entry);
    }
    end(out, checksum);
    line
}

/// Returns the line of an event that was given up at this time. Its payload is in its acceptance.
pub(crate) fn discarded(event: &Line, at: Timestamp, checksum: bool) -> String {
    let text = |text: &dyn fmt::Display| Value::from(text.to_string());
    let values = [
        (KEYS[0], event.event_type.clone().into()),
        (KEYS[1], event.schema.clone().into()),
        (KEYS[3], text(&event.id)),
        (KEYS[4], event.path.clone().into()),
        (KEYS[5], event.parent_id.map_or(Value::Null, |id| text(&id))),
        (KEYS[6], event.created_at.map_or(Value::Null, |at| text(&at))),
        (KEYS[7], text(&at)),
        (DISCARDED, true.into()),
    ];
    let mut line = String::with_capacity(AROUND);
    for (at, (key, value)) in values.into_iter().enumerate() {
        let before = if at == 0 { '{' } else { ',' };
        put(&mut line, format_args!("{before}\"{key}\":{value}"));
    }
    end(&mut line, checksum);
    line
}

fn end(out: &mut String, checksum: bool) {
    if checksum {
        let crc = crc32fast::hash(out.as_bytes());
        put(out, format_args!("{CHECK_HEAD}{crc:08x}{CHECK_TAIL}\n"));
    } else {
        out.push_str("}\n");
    }
}

fn push_acceptance(out: &mut String, entry: &Entry<'_>) {
    put(out, format_args!(",\"{ACCEPTED}\":{}", entry.attempt));
    if let Some(settings) = overrides::to_json(&entry.settings) {
        put(out, format_args!(",\"{SETTINGS}\":{settings}"));
    }
    if entry.is_outside {
        put(out, format_args!(",\"{OUTSIDE}\":true"));
    }
}

fn push_payload(out: &mut String, payload: &str) {
    let payload = payload.trim();
    let fields = payload.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match fields.map(str::trim) {
        Some("") => {}
        Some(fields) => put(out, format_args!(",{fields}")),
        None => put(out, format_args!(",\"{VALUE}\":{payload}")),
    }
}

fn push_text(out: &mut String, text: &str) {
    put(out, format_args!("{}", Value::from(text)));
}

fn put(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// Refuses payloads that could not be read again, or with fields that would be read as something else.
pub(crate) fn check_payload(payload: &str) -> Result<(), BoxError> {
    let payload = payload.trim();
    if let Some(key) = key_like_checksum(payload) {
        return Err(ReservedKey { key }.into());
    }
    if payload.contains('\n') {
        return Err(UnreadablePayload::LineFeed.into());
    }
    let not_readable = UnreadablePayload::NotReadable;
    if !payload.starts_with('{') {
        // In the line it is nested one level deeper.
        let _: [Readable; 1] =
            serde_json::from_str(&format!("[{payload}]")).map_err(not_readable)?;
        return Ok(());
    }
    // The text contains no such prefix, and no escape that may hide one, so the names of the fields
    // need no check.
    if !["\"event_", "\"busway_", "\\u"].iter().any(|part| payload.contains(part)) {
        let _: Readable = serde_json::from_str(payload).map_err(not_readable)?;
        return Ok(());
    }
    let fields: BTreeMap<String, Readable> = serde_json::from_str(payload).map_err(not_readable)?;
    let reserved = |key: &String| {
        KEYS.contains(&key.as_str())
            || key.starts_with(OWN)
            || [RESULTS, RESULT_TYPE].contains(&key.as_str())
    };
    match fields.into_keys().find(reserved) {
        Some(key) => Err(ReservedKey { key }.into()),
        None => Ok(()),
    }
}

/// Returns the last key of a payload, if it would be taken for a damaged checksum.
fn key_like_checksum(payload: &str) -> Option<String> {
    let payload = payload.trim();
    let fields = payload.strip_prefix('{')?.strip_suffix('}')?.trim();
    // As it would end a line, after a comma.
    let mut tail = [b','; CHECK_LEN];
    tail[CHECK_LEN - 1] = b'}';
    let len = fields.len().min(CHECK_LEN - 1);
    let end = &fields.as_bytes()[fields.len() - len..];
    tail[CHECK_LEN - 1 - len..CHECK_LEN - 1].copy_from_slice(end);
    if wrong(&tail) > ALIKE {
        return None;
    }
    let key = tail[..CHECK_HEAD.len()].trim_ascii_end();
    Some(String::from_utf8_lossy(key).trim_matches([',', ':', '"']).into())
}

/// Counts the characters at the end of a line that differ from a checksum's.
fn wrong(check: &[u8]) -> usize {
    let (head, rest) = check.split_at(CHECK_HEAD.len());
    let found = head.iter().chain(&rest[DIGITS..]);
    CHECK_HEAD.bytes().chain(CHECK_TAIL.bytes()).zip(found).filter(|(a, b)| a != *b).count()
}

/// The result of checking a line's checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// There is no checksum.
    Without,
    Agrees,
    /// It does not match the bytes, or is itself damaged.
    Differs,
}

/// Checks the checksum of a line, without its line feed.
pub(crate) fn check(line: &[u8]) -> Checked {
    let Some(start) = line.len().checked_sub(CHECK_LEN) else { return Checked::Without };
    let (body, check) = line.split_at(start);
    let digits = &check[CHECK_HEAD.len()..][..DIGITS];
    match wrong(check) {
        0 if format!("{:08x}", crc32fast::hash(body)).as_bytes() == digits => Checked::Agrees,
        0..=ALIKE => Checked::Differs,
        _ => Checked::Without,
    }
}

/// Returns whether there may be an integer that 64 bits cannot hold.
pub(crate) fn has_huge_integer(json: &[u8]) -> bool {
    let mut rest = json;
    let mut in_text = false;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => in_text = !in_text,
            b'\\' => rest = rest.get(1..).unwrap_or_default(),
            b'0'..=b'9' if !in_text => {
                let is_number = |byte: &u8| byte.is_ascii_digit() || b".eE+-".contains(byte);
                let len = rest.iter().take_while(|byte| is_number(byte)).count();
                let (number, behind) = rest.split_at(len);
                rest = behind;
                // With the digit before them, one more than always fits.
                if len >= 18 && number.iter().all(u8::is_ascii_digit) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Kind, Line};

    #[test]
    fn r41_a_key_like_a_checksum_is_refused_at_the_end() {
        for key in ["busway_crc", "busway-crc", "Busway_crc", "busway_crd"] {
            let (first, alone) =
                (format!(r#"{{"a":1,"{key}":"01234567"}}"#), format!(r#"{{"{key}":"01234567"}}"#));
            for payload in [first, alone] {
                let refused = check_payload(&payload).expect_err("it is refused");
                let refused = refused.downcast_ref::<ReservedKey>();
                assert_eq!(refused, Some(&ReservedKey { key: key.into() }));
                let line = format!(r#"{{"event_type":"Job",{}"#, &payload[1..]);
                assert_eq!(check(line.as_bytes()), Checked::Differs, "what it would be read as");
            }
        }
        for payload in [
            r#"{"busway-crc":"01234567","a":1}"#,
            r#"{"busway-crc":"0123456"}"#,
            r#"{"busway-crc":"012345678"}"#,
            r#"{"account_no":"01234567"}"#,
            r#"{"ä":"äöüäöüäöüäöüäöüä"}"#,
            "{}",
            "null",
        ] {
            assert!(check_payload(payload).is_ok(), "{payload}");
        }
    }

    #[test]
    fn r44_what_could_not_be_read_again_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let fields = |value: &str| format!(r#"{{"a":{value},"b":"[e[{{\\"}}"#);
        for good in ["1e300", "1.5e-300", r#""\u0007 \ud83d\ude00""#, &nested(90), &nested(126)] {
            for payload in [good.to_owned(), fields(good)] {
                assert!(check_payload(&payload).is_ok(), "{payload}");
                let line = line_of(&payload);
                assert!(Line::parse(line.as_bytes()).is_ok(), "{line}");
            }
        }
        let huge = "9".repeat(400);
        for bad in ["1e999", "1\n", r#""\ud800""#, &huge, &nested(128), "1 2", "{a:1}", "[", ""] {
            for payload in [format!("[{bad},1]"), fields(bad)] {
                assert!(check_payload(&payload).is_err(), "{payload}");
            }
        }
        assert!(check_payload(" {}\n").is_ok(), "what is around it is not written");
    }

    #[test]
    fn r44_a_reserved_key_is_refused_with_letters_escaped_too() {
        for (payload, key) in [
            (r#"{"\u0065vent_id":1}"#, "event_id"),
            (r#"{"a":1,"busway\u005faccepted":1,"b":2}"#, "busway_accepted"),
        ] {
            let line = Line::parse(line_of(payload).as_bytes());
            assert!(line.is_err() || line.is_ok_and(|line| line.kind != Kind::Completed));
            let refused = check_payload(payload).expect_err("it is refused");
            assert_eq!(refused.downcast_ref(), Some(&ReservedKey { key: key.into() }));
        }
        assert!(check_payload(r#"{"a":"\u0065vent_id"}"#).is_ok(), "it is not a key");
    }

    fn line_of(payload: &str) -> String {
        let id = "06b0229c-2b16-71ae-8000-0bbff42843e7";
        let mut line = format!(r#"{{"event_type":"Job","event_id":"{id}""#);
        push_payload(&mut line, payload);
        line + "}"
    }

    #[test]
    fn r41_integers_of_more_than_64_bits_are_seen() {
        for json in
            ["18446744073709551616", "[1,-9223372036854775809]", r#"{"a\\":1234567890123456789}"#]
        {
            assert!(has_huge_integer(json.as_bytes()), "{json}");
        }
        for json in ["922337203685477580", "1.2345678901234567890", r#"["\"12345678901234567890"]"#]
        {
            assert!(!has_huge_integer(json.as_bytes()), "{json}");
        }
    }
}
