//! Times in a column of a file: numbers, or dates in any of the forms that programs and people write.

use super::clock_time::{has_zone, seconds, split, stamp};
use super::compact_dates::compact;
use super::dates::{FORMS, Form, days};
use super::months::{in_english, is_foreign};
use jiff::fmt::strtime::BrokenDownTime;
use std::borrow::Cow;

/// A time as a table gives it, in the order of time within its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Whole units: of a number, or seconds since 1970-01-01T00:00Z. Apart from the rest, since a float would confuse
    /// neighbouring nanoseconds.
    pub(super) whole: i64,
    pub(super) rest: f64,
}

impl Moment {
    /// Which of two comes first.
    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.whole.cmp(&other.whole).then(self.rest.total_cmp(&other.rest))
    }

    fn number(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self { whole, rest: 0.0 });
        }
        let number = text.parse::<f64>().ok()?;
        let whole = number.floor();
        let fits = number.is_finite() && whole.abs() < 9e18;
        fits.then_some(Self { whole: whole as i64, rest: number - whole })
    }
}

/// Times of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Times {
    /// In the column's order.
    pub(super) moments: Vec<Moment>,
    /// Whether they are dates, not numbers.
    pub(super) dated: bool,
    /// Whether some came with a zone; all are given in UTC.
    pub(super) zoned: bool,
}

/// Why a column's times cannot be read: at which of them, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) at: usize,
    pub(super) what: String,
}

/// Whether a text is a date in some form, not a number.
pub(super) fn is_date(text: &str) -> bool {
    Moment::number(text).is_none()
        && split(&in_english(text).unwrap_or_else(|| text.to_owned()))
            .is_some_and(|parts| FORMS.iter().any(|form| form.date(&parts.0).is_some()))
}

/// Reads the times of a column. `said` is `number`, `day_first`, `month_first` or a pattern of `strptime` such as `%d.%m`.
///
/// # Errors
/// What cannot be read, or be read in two ways.
pub(super) fn read(texts: &[&str], said: Option<&str>) -> Result<Times, Unread> {
    match said {
        Some(pattern) if pattern.contains('%') => return by_pattern(texts, pattern),
        Some("number") => return numbers(texts),
        Some(_) | None => {}
    }
    if !texts.is_empty() && texts.iter().all(|text| Moment::number(text).is_some()) {
        let forms = match stamps(texts) {
            true => Some(vec![Form::Pattern("%Y%m%d")]),
            false => compact(texts).map_err(|what| Unread { at: 0, what })?,
        };
        return match forms {
            Some(forms) => dates(texts, forms, said),
            None => numbers(texts),
        };
    }
    if texts.iter().any(|text| is_foreign(text)) {
        let english: Vec<_> =
            texts.iter().map(|text| in_english(text).map_or(Cow::Borrowed(*text), Cow::Owned)).collect();
        return dates(&english.iter().map(Cow::as_ref).collect::<Vec<_>>(), FORMS.to_vec(), said);
    }
    dates(texts, FORMS.to_vec(), said)
}

fn numbers(texts: &[&str]) -> Result<Times, Unread> {
    let number = |(at, text): (usize, &&str)| {
        Moment::number(text).ok_or_else(|| Unread { at, what: format!("is `{text}`; a number is needed") })
    };
    Ok(Times {
        moments: texts.iter().enumerate().map(number).collect::<Result<_, _>>()?,
        dated: false,
        zoned: false,
    })
}

fn by_pattern(texts: &[&str], pattern: &str) -> Result<Times, Unread> {
    let one = |(at, text): (usize, &&str)| {
        let parsed = BrokenDownTime::parse(pattern, text).ok().and_then(|mut parsed| {
            // Of a date without a year or a day any will do, the same for all. 2000 has a 29 February.
            if parsed.year().is_none() {
                parsed.set_year(Some(2000)).ok()?;
            }
            if parsed.day().is_none() && parsed.day_of_year().is_none() {
                parsed.set_day(Some(1)).ok()?;
            }
            let time = parsed
                .to_time()
                .map_or(0, |t| seconds(t.hour().into(), t.minute().into(), t.second().into()));
            let offset = parsed.offset().map_or(0, |offset| i64::from(offset.seconds()));
            Some(Moment { whole: days(parsed.to_date().ok()?) * 86_400 + time - offset, rest: 0.0 })
        });
        parsed.ok_or_else(|| Unread {
            at,
            what: format!("is `{text}`, which is not as task.dates = \"{pattern}\" says"),
        })
    };
    Ok(Times {
        moments: texts.iter().enumerate().map(one).collect::<Result<_, _>>()?,
        dated: true,
        zoned: pattern.contains("%z") || pattern.contains("%:z"),
    })
}

/// Reads dates in the one of these forms that fits them all.
fn dates(texts: &[&str], mut forms: Vec<Form>, said: Option<&str>) -> Result<Times, Unread> {
    let foreign = match said {
        Some("day_first") => ["%m/%d", "%m.%d", "%m-%d", "%m%d"],
        Some("month_first") => ["%d/%m", "%d.%m", "%d-%m", "%d%m"],
        Some(_) | None => ["none"; 4],
    };
    forms.retain(|form| !matches!(form, Form::Pattern(pattern) if foreign.iter().any(|start| pattern.starts_with(start))));
    let mut parts = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let part = split(text).filter(|(date, ..)| forms.iter().any(|form| form.date(date).is_some()));
        let Some(part) = part else {
            let number = Moment::number(text).is_some();
            let what = match at {
                0 => format!(
                    "is `{text}`; a number or a date such as 2024-02-29, 29.02.2024 or 2024-02-29 23:30 is needed, or \
                     --set 'task.dates=\"%d|%m|%Y\"' says how dates are written"
                ),
                _ if number => format!("is the number `{text}`, but a date before, `{}`", texts[0]),
                _ => format!("is `{text}`, no date of the form that those before have, e.g. `{}`", texts[0]),
            };
            return Err(Unread { at, what });
        };
        forms.retain(|form| form.date(&part.0).is_some());
        parts.push(part);
    }
    let all = |form: &Form| -> Vec<i64> { parts.iter().filter_map(|part| form.date(&part.0)).collect() };
    let days = forms.first().map(all).unwrap_or_default();
    for other in &forms[1.min(forms.len())..] {
        if let Some(at) = all(other).iter().zip(&days).position(|(a, b)| a != b) {
            let what = format!(
                "is `{}`, and no date of the column tells whether the day or the month stands first; say which: \
                 --set task.dates=day_first or --set task.dates=month_first",
                texts[at]
            );
            return Err(Unread { at, what });
        }
    }
    let moment =
        |(day, part): (i64, &(Cow<'_, str>, i64, f64))| Moment { whole: day * 86_400 + part.1, rest: part.2 };
    let zoned = texts.iter().any(|text| has_zone(text));
    Ok(Times { moments: days.into_iter().zip(&parts).map(moment).collect(), dated: true, zoned })
}

/// Whether all are such, of one length.
fn stamps(texts: &[&str]) -> bool {
    texts.iter().all(|text| text.len() == texts[0].len() && stamp(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering::{Equal, Greater, Less};

    fn one(text: &str) -> Option<Moment> {
        read(&[text], None).ok().map(|times| times.moments[0])
    }

    #[test]
    fn numbers_and_dates_are_in_order() {
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
            let (a, b) = (one(a).unwrap_or_else(|| panic!("{a}")), one(b).unwrap_or_else(|| panic!("{b}")));
            assert_eq!(a.order(&b), expected, "{a:?} {b:?}");
        }
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
            "2024Q5",
        ] {
            assert_eq!(one(text), None, "{text}");
        }
    }

    #[test]
    fn one_day_has_many_forms() {
        let day = |text: &str| one(text).unwrap_or_else(|| panic!("{text}")).whole;
        // 2024-03-28 is the 19,810th day.
        for text in [
            "2024-03-28",
            "2024-3-28",
            "2024/03/28",
            "2024.03.28",
            "20240328",
            "28032024",
            "28.03.2024",
            "28/03/2024",
            "03/28/2024",
            "3/28/2024",
            "28-03-2024",
            "28.3.24",
            "28-Mar-24",
            "28-Mar-2024",
            "28Mar2024",
            "28 March 2024",
            "28. March 2024",
            "Mar 28, 2024",
            "March 28, 2024",
            "Thu, 28 Mar 2024",
            "2024-03-28Z",
            "2024-03-28T00:00:00+0000",
            "2024-03-28 00:00:00 UTC",
            "2024-03-28 12:00 AM",
            "3/28/2024 12:00:00 AM",
            "2024-03-28T01:00+01",
            "20240328T000000Z",
            "28/Mar/2024:00:00:00 +0000",
            "2024-W13-4",
        ] {
            assert_eq!(day(text), 19_810 * 86_400, "{text}");
        }
        for (text, seconds) in [
            ("2024-03-28 01:05:07 PM", 13 * 3600 + 5 * 60 + 7),
            ("2024032813", 13 * 3600),
            ("202403281305", 13 * 3600 + 300),
            ("20240328130507", 13 * 3600 + 307),
        ] {
            assert_eq!(day(text), 19_810 * 86_400 + seconds, "{text}");
        }
        // Seconds since 1970 stay what they are.
        assert!(!read(&["1704067200", "1704070800"], None).unwrap().dated);
    }

    #[test]
    fn forms_of_programs_and_languages_are_known() {
        let day = |text: &str| one(text).unwrap_or_else(|| panic!("{text}")).whole;
        for text in [
            "2024_03_28",
            "20240328 000000",
            "20240328_0000",
            "Thu Mar 28 00:00:00 2024",
            "Thu Mar 28 00:00:00 UTC 2024",
            "28. März 2024",
            "28 mars 2024",
            "28 de marzo de 2024",
            "28-Mrz-24",
            "2024-03-28 01:00 CET",
            "2024-03-27 19:00:00 EST",
            "2024-03-28/2024-04-03",
        ] {
            assert_eq!(day(text), 19_810 * 86_400, "{text}");
        }
        for text in [
            "2024-04",
            "2024/04",
            "202404",
            "04/2024",
            "Apr-2024",
            "Apr 2024",
            "April 2024",
            "2024Q2",
            "Q2 2024",
            "2024-Q2",
            "2Q2024",
            "2024:Q2",
            "2024M04",
            "2024m4",
            "avril 2024",
        ] {
            assert_eq!(day(text), 19_814 * 86_400, "{text}");
        }
    }

    #[test]
    fn day_and_month_are_told_by_the_column_or_asked_for() {
        let whole = |texts: &[&str], said| {
            read(texts, said).map(|t| t.moments.iter().map(|m| m.whole / 86_400).collect::<Vec<_>>())
        };
        assert_eq!(whole(&["01/02/2024", "13/02/2024"], None), Ok(vec![19_754, 19_766]));
        assert_eq!(whole(&["02/01/2024", "02/13/2024"], None), Ok(vec![19_754, 19_766]));
        let unclear = whole(&["01/01/2024", "01/02/2024"], None).unwrap_err();
        assert!(unclear.at == 1 && unclear.what.contains("day_first"), "{unclear:?}");
        assert_eq!(whole(&["01/02/2024"], Some("day_first")), Ok(vec![19_754]));
        assert_eq!(whole(&["01/02/2024"], Some("month_first")), Ok(vec![19_724]));
        assert_eq!(whole(&["01022024", "13022024"], None), Ok(vec![19_754, 19_766]));
        let two = whole(&["01.01", "02.01", "31.01"], None).unwrap_err();
        assert!(two.what.contains("without a year") && two.what.contains("%d.%m"), "{two:?}");
        assert_eq!(whole(&["31.01", "01.02"], Some("%d.%m")), Ok(vec![10_987, 10_988]));
        // Numbers that are no dates stay numbers.
        assert!(!read(&["10000000", "10000001"], None).unwrap().dated);
        assert!(!read(&["1.25", "2.50", "3.75"], None).unwrap().dated);
        assert!(
            read(&["2024-01-01", "5"], None)
                .unwrap_err()
                .what
                .contains("is the number `5`, but a date before")
        );
    }
}
