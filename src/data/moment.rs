//! Times in a table: numbers, or dates and times of ISO 8601.

use toml::value::{Datetime, Offset};

/// A time as a table gives it, in the order of time within its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Whether it is a date, not a number; the two cannot be compared.
    pub(super) dated: bool,
    /// Whole units: of a number, or seconds since 1970-01-01T00:00Z. Apart from the rest, since a float would confuse
    /// neighbouring nanoseconds.
    whole: i64,
    rest: f64,
}

impl Moment {
    /// Reads a number, `2024-02-29`, `2024-02-29T23:30:00.5+01:00` and the like; seconds and zone may be absent, a blank may
    /// stand for the T, and a time without a zone is taken as UTC.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self { dated: false, whole, rest: 0.0 });
        }
        if let Ok(number) = text.parse::<f64>() {
            let whole = number.floor();
            let fits = number.is_finite() && whole.abs() < 9e18;
            return fits.then_some(Self { dated: false, whole: whole as i64, rest: number - whole });
        }
        let time: Datetime = with_seconds(text).parse().ok()?;
        let date = time.date?;
        let days = days(i64::from(date.year), i64::from(date.month), i64::from(date.day));
        let (mut seconds, mut rest) = (86_400 * days, 0.0);
        if let Some(of_day) = time.time {
            let (hour, minute) = (i64::from(of_day.hour), i64::from(of_day.minute));
            seconds += 3600 * hour + 60 * minute + i64::from(of_day.second.unwrap_or(0));
            rest = f64::from(of_day.nanosecond.unwrap_or(0)) * 1e-9;
        }
        if let Some(Offset::Custom { minutes }) = time.offset {
            seconds -= 60 * i64::from(minutes);
        }
        Some(Self { dated: true, whole: seconds, rest })
    }

    /// Which of two comes first.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.whole.cmp(&other.whole).then(self.rest.total_cmp(&other.rest))
    }
}

/// `2024-01-01T10:20` with the seconds that TOML asks for.
fn with_seconds(text: &str) -> String {
    let (head, zone) = text.split_at(text.char_indices().nth(16).map_or(text.len(), |(at, _)| at));
    let minutes_only = head.len() == 16 && head.as_bytes()[13] == b':' && !zone.starts_with(':');
    if minutes_only { format!("{head}:00{zone}") } else { text.to_owned() }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that a leap day is the last of its year.
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn times_are_in_order() {
        let order = |a: &str, b: &str| {
            let parse = |text| Moment::parse(text).unwrap_or_else(|| panic!("{text} is a time"));
            parse(a).order(&parse(b))
        };
        for (a, b, expected) in [
            ("9", "10", Less),
            ("1.5", "1.25", Greater),
            ("-0.5", "0", Less),
            ("1704067200000000001", "1704067200000000002", Less),
            ("2024-02-29", "2024-03-01", Less),
            ("1999-12-31", "2000-01-01T00:00", Less),
            ("2024-01-01 10:20", "2024-01-01T10:20:00Z", Equal),
            ("2024-01-01T10:20:00.25", "2024-01-01T10:20:00.5", Less),
            ("2024-01-01T00:30+01:00", "2023-12-31T23:30:00Z", Equal),
        ] {
            assert_eq!(order(a, b), expected, "{a} {b}");
        }
        assert_eq!((days(1970, 1, 1), days(2000, 3, 1), days(1969, 12, 31)), (0, 11_017, -1));
        for text in [
            "",
            "soon",
            "2023-02-29",
            "2024-13-01",
            "10:30",
            "inf",
            "NaN",
            "2024-01-01T25:00",
            "ü24-01-01T10:2",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
