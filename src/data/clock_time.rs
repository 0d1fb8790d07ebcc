//! Days apart from the time of day, and that in UTC.

use super::dates::{Form, is_digits};
use super::months::named_zone;
use std::borrow::Cow;

/// `2024010123`, `202401012359`, `20240101235959`: date and clock of digits alone.
pub(super) fn stamp(text: &str) -> Option<(&str, i64, f64)> {
    let (date, clock) = text.split_at_checked(8).filter(|(_, clock)| [2, 4, 6].contains(&clock.len()))?;
    let fits = is_digits(text, text.len()) && (1900..=2100).contains(&date[..4].parse::<i32>().ok()?);
    let two = |at: usize| clock.get(at..at + 2).map_or(Some(0), |part| part.parse::<i64>().ok());
    let (hour, minute, second) = (two(0)?, two(2)?, two(4)?);
    let fits = fits && hour < 24 && minute < 60 && second < 60;
    (fits && Form::Pattern("%Y%m%d").date(date).is_some()).then_some((
        date,
        seconds(hour, minute, second),
        0.0,
    ))
}

pub(super) fn seconds(hour: i64, minute: i64, second: i64) -> i64 {
    3600 * hour + 60 * minute + second
}

/// The part of a text that is its date, and seconds since midnight in UTC, whole and rest.
pub(super) fn split(text: &str) -> Option<(Cow<'_, str>, i64, f64)> {
    let text = text.trim();
    // Of a period, `2024-01-01/2024-01-07`, the first day.
    let period = text.split_once('/').filter(|(from, to)| from.len() == to.len() && from.contains('-'));
    let text = period.map_or(text, |(from, _)| from);
    if let Some((date, time, rest)) = stamp(text) {
        return Some((date.into(), time, rest));
    }
    let between_digits = |colon: &usize| {
        let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        *colon > 0 && digit(colon - 1) && digit(colon + 1)
    };
    if let Some(colon) = text.find(':').filter(between_digits) {
        let run = text[..colon].bytes().rev().take_while(u8::is_ascii_digit).count();
        // `01/Jan/2024:10:20:30`, as servers log it.
        let start = if run == 4 { colon + 1 } else { colon - run.min(2) };
        let date = text[..start].trim_end_matches([' ', 'T', 't', ',', '_', ':', '-']);
        // `Mon Jan  1 10:20:30 2024`, as C and Unix write it: the year behind the clock.
        let behind = text
            .rsplit_once(' ')
            .filter(|(_, year)| is_digits(year, 4) && date.contains(char::is_alphabetic));
        if let Some((before, year)) = behind {
            let (time, rest) = clock(&before[start..])?;
            // The day of a single digit stands behind two blanks.
            let words: Vec<_> = date.split_whitespace().chain([year]).collect();
            return Some((words.join(" ").into(), time, rest));
        }
        let (time, rest) = clock(&text[start..])?;
        return Some((date.into(), time, rest));
    }
    // `20240101T0930Z`, `20240101 0930`.
    let marked = text.rsplit_once('T').filter(|(date, time)| {
        date.ends_with(|c: char| c.is_ascii_digit()) && time.starts_with(|c: char| c.is_ascii_digit())
    });
    let bare = text
        .split_once([' ', '_', '-'])
        .filter(|(date, time)| is_digits(date, 8) && is_digits(time, time.len()));
    let marked = marked.or(bare);
    if let Some((date, time)) = marked {
        let end = time.find(|c: char| !c.is_ascii_digit()).unwrap_or(time.len());
        let (digits, offset) = (&time[..end], zone(&time[end..])?);
        let two = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i64>().ok());
        let fits = [2, 4, 6].contains(&digits.len());
        let (hour, minute, second) = (two(0)?, two(2)?, two(4)?);
        return (fits && hour < 24 && minute < 60 && second < 60)
            .then(|| (date.into(), seconds(hour, minute, second) - offset, 0.0));
    }
    // `2024-01-01 23`: an hour alone.
    if let Some((date, hour)) = text.rsplit_once(' ')
        && hour.len() == 2
        && date.len() == 10
        && let Some(hour) = hour.parse().ok().filter(|hour| (0..24).contains(hour))
    {
        return Some((date.into(), seconds(hour, 0, 0), 0.0));
    }
    let date = text.strip_suffix('Z').or_else(|| text.strip_suffix(" UTC")).unwrap_or(text);
    Some((date.into(), 0, 0.0))
}

/// `10:20`, `10:20:30.5 PM`, `10:20:30+01:00`: seconds since midnight in UTC, whole and rest.
fn clock(text: &str) -> Option<(i64, f64)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || ":.,".contains(c))).unwrap_or(text.len());
    let mut parts = text[..end].split(':');
    let mut next = || parts.next();
    let whole = |part: &str| (1..=2).contains(&part.len()).then(|| part.parse::<i64>().ok())?;
    let (mut hour, minute) = (whole(next()?)?, whole(next()?)?);
    let (second, fraction) = match next() {
        None => (0, 0.0),
        Some(part) => {
            let (second, fraction) = part.split_once(['.', ',']).unwrap_or((part, "0"));
            (whole(second)?, format!("0.{fraction}").parse::<f64>().ok()?)
        }
    };
    if next().is_some() {
        return None;
    }
    let mut rest = text[end..].trim();
    let lower = rest.to_ascii_lowercase().replace('.', "");
    if let Some(afternoon) = ["am", "pm"].iter().position(|word| lower.starts_with(word)) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + 12 * afternoon as i64;
        rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '.').trim();
    }
    // A leap second is the one before.
    let fits = hour < 24 && minute < 60 && second <= 60;
    fits.then(|| Some((seconds(hour, minute, second.min(59)) - zone(rest)?, fraction)))?
}

/// Whether a time of day is followed by a zone.
pub(super) fn has_zone(text: &str) -> bool {
    let behind = text.rsplit_once(':').map_or("", |(_, behind)| behind);
    let letters = behind.trim_start_matches(|c: char| c.is_ascii_digit() || ".,".contains(c)).trim();
    let offset = text.rfind(':').is_some_and(|colon| {
        // `+01:00` ends in a colon and two digits.
        text[..colon].trim_end_matches(|c: char| c.is_ascii_digit()).ends_with(['+', '-'])
            && text[..colon].contains(':')
    });
    offset || letters.starts_with(['+', '-', 'Z', 'z']) || named_zone(letters).is_some()
}

/// Seconds that a zone is ahead of UTC: nothing, `Z`, `UTC`, `GMT`, `CEST`, `+01`, `+0100`, `+01:00`.
fn zone(text: &str) -> Option<i64> {
    // What stands in brackets names the zone of the offset before it.
    let text = text.split('[').next().unwrap_or(text).trim();
    if ["", "z", "utc", "gmt", "+00:00 utc"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(0);
    }
    if let Some(ahead) = named_zone(text) {
        return Some(ahead);
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * seconds(hours, minutes, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_seen() {
        for (text, expected) in [
            ("2024-01-01 10:20:30", false),
            ("2024-01-01 10:20", false),
            ("2024-01-01", false),
            ("2024:Q1", false),
            ("10:20:30 PM", false),
            ("2024-01-01T10:20:30Z", true),
            ("2024-01-01T10:20:30.5+01:00", true),
            ("2024-01-01 10:20 +0100", true),
            ("2024-01-01 10:20:30-05", true),
            ("2024-01-01 10:20:30 CEST", true),
        ] {
            assert_eq!(has_zone(text), expected, "{text}");
        }
    }
}
