//! Parses times of other writers: ISO 8601 with any fraction, and `Z` or an offset.

use busway_core::Timestamp;

/// The nanoseconds of one second.
const SECOND: i128 = 1_000_000_000;

/// Parses `2026-11-21T20:22:50.123456Z`, also with another fraction or offset, or none. `None` when it
/// is not such a text, or is before 1970.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', ' '])?;
    let [year, month, day] = numbers(date, '-')?;
    let split = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(split);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':')?;
    let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let nanos = i128::from(seconds - offset(zone)?) * SECOND + nanos(fraction)?;
    Some(Timestamp::from_unix_nanos(u64::try_from(nanos).ok()?))
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| number(part, 4));
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Parses at most this many digits, and nothing else.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() <= digits && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn nanos(fraction: &str) -> Option<i128> {
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.get(..9).unwrap_or(fraction);
    let missing = u32::try_from(9 - digits.len()).ok()?;
    Some(digits.parse().unwrap_or(0) * 10i128.pow(missing))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.bytes().next() {
        None | Some(b'Z' | b'z') => return (zone.len() <= 1).then_some(0),
        Some(b'-') => -1,
        Some(_) => 1,
    };
    let (hours, minutes) = zone[1..].split_once(':').unwrap_or((&zone[1..], "0"));
    let seconds = number(hours, 2)? * 3_600 + number(minutes, 2)? * 60;
    (seconds < 86_400).then_some(sign * seconds)
}

/// Days from 1970-01-01, after Howard Hinnant's "chrono-compatible low-level date algorithms".
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for seconds in [0, 951_782_400, 1_735_689_599, 1_795_292_570] {
            let at = Timestamp::from_unix_nanos(seconds * 1_000_000_000 + 123_456_000);
            assert_eq!(parse(&at.to_string()), Some(at));
        }
    }

    #[test]
    fn reads_what_others_write() {
        let noon = parse("2026-11-21T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(parse("2026-11-21T14:00:00+02:00"), noon);
        assert_eq!(parse("2026-11-21T09:30:00.000-02:30"), noon);
        assert_eq!(parse("2026-11-21 12:00:00"), noon);
        assert_eq!(parse("2026-11-21T12:00:00.0000000001Z"), noon);
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in
            ["", "2026", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "1969-12-31T00:00:00Z"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for zone in ["Zebra", "+9223372036854775807:00", "+-1:00", "+1:-1", "+24:00"] {
            assert_eq!(parse(&format!("2026-01-01T00:00:00{zone}")), None, "{zone}");
        }
        assert_eq!(parse("2026-01-01T00:00:00.1x"), None);
    }
}
