//! Durations as text: a number and a unit.

const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a text such as `30s`, `1.5m` or `250ms` into nanoseconds. `None` when it is not such a text,
/// or does not fit 64 bits.
pub(crate) fn nanoseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let (_, nanos) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let fraction_digits = u32::try_from(fraction.len()).ok()?;
    let fraction: u128 = fraction.parse().ok()?;
    let parts = u128::from(nanos).checked_mul(fraction)? / 10u128.checked_pow(fraction_digits)?;
    whole.checked_mul(nanos)?.checked_add(u64::try_from(parts).ok()?)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn reads_numbers_with_units() {
        assert_eq!(nanoseconds("30s"), Some(30_000_000_000));
        assert_eq!(nanoseconds("250 ms"), Some(250_000_000));
        assert_eq!(nanoseconds("1.5m"), Some(90_000_000_000));
        assert_eq!(nanoseconds("0.1us"), Some(100));
        assert_eq!(nanoseconds("2h"), Some(7_200_000_000_000));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        let too_long = format!("0.{}h", "9".repeat(38));
        for text in
            ["", "30", "s", "1.2.3s", "-1s", "30 parsecs", "99999999999h", "1..s", &too_long]
        {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
