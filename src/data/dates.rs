//! Days of the calendar, in the forms that they are written in.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::fmt::strtime::BrokenDownTime;

/// How a date is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// By a pattern of `strptime`.
    Pattern(&'static str),
    /// `2024Q1`, `Q1 2024`, `2024-Q1`, `1Q2024`.
    Quarter,
    /// `2024H1`, `H1 2024`.
    Half,
    /// `2024M01`, `2024m1`.
    Month,
    /// `2024-W05`, `2024-W05-1`.
    Week,
}

/// Forms of dates; of two that fit all dates of a column alike the first is taken.
pub(super) const FORMS: [Form; 59] = [
    Form::Pattern("%Y-%m-%d"),
    Form::Pattern("%Y/%m/%d"),
    Form::Pattern("%Y.%m.%d"),
    Form::Pattern("%Y %m %d"),
    Form::Pattern("%d/%m/%Y"),
    Form::Pattern("%m/%d/%Y"),
    Form::Pattern("%d.%m.%Y"),
    Form::Pattern("%m.%d.%Y"),
    Form::Pattern("%d-%m-%Y"),
    Form::Pattern("%m-%d-%Y"),
    Form::Pattern("%d/%m/%y"),
    Form::Pattern("%m/%d/%y"),
    Form::Pattern("%d.%m.%y"),
    Form::Pattern("%d-%m-%y"),
    Form::Pattern("%m-%d-%y"),
    Form::Pattern("%Y%m%d"),
    Form::Pattern("%d%m%Y"),
    Form::Pattern("%m%d%Y"),
    Form::Pattern("%Y-%m"),
    Form::Pattern("%Y/%m"),
    Form::Pattern("%m/%Y"),
    Form::Pattern("%m-%Y"),
    Form::Pattern("%d-%b-%Y"),
    Form::Pattern("%d-%b-%y"),
    Form::Pattern("%d-%B-%Y"),
    Form::Pattern("%d/%b/%Y"),
    Form::Pattern("%d %b %Y"),
    Form::Pattern("%d %b %y"),
    Form::Pattern("%d %B %Y"),
    Form::Pattern("%d. %B %Y"),
    Form::Pattern("%d%b%Y"),
    Form::Pattern("%b %d, %Y"),
    Form::Pattern("%B %d, %Y"),
    Form::Pattern("%b %d %Y"),
    Form::Pattern("%B %d %Y"),
    Form::Pattern("%Y-%b-%d"),
    Form::Pattern("%Y %b %d"),
    Form::Pattern("%b-%Y"),
    Form::Pattern("%b-%y"),
    Form::Pattern("%b %Y"),
    Form::Pattern("%B %Y"),
    Form::Pattern("%Y-%b"),
    Form::Pattern("%Y %b"),
    Form::Pattern("%a, %d %b %Y"),
    Form::Pattern("%a %d %b %Y"),
    Form::Pattern("%a, %b %d, %Y"),
    Form::Pattern("%A, %B %d, %Y"),
    Form::Pattern("%A, %d %B %Y"),
    Form::Pattern("%a %b %d %Y"),
    Form::Pattern("%b-%d-%Y"),
    Form::Pattern("%b/%d/%Y"),
    Form::Pattern("%Y-%j"),
    Form::Month,
    Form::Pattern("%Y_%m_%d"),
    Form::Pattern("%Y年%m月%d日"),
    Form::Pattern("%Y年%m月"),
    Form::Half,
    Form::Quarter,
    Form::Week,
];

impl Form {
    /// The day that a text of this form is, counted from 1970-01-01.
    pub(super) fn date(self, text: &str) -> Option<i64> {
        let plausible = |date: &Date| (1000..3000).contains(&date.year());
        match self {
            // `2024-02` is a month, `2024-002` a day.
            Self::Pattern("%Y-%j") if text.len() != 8 => None,
            Self::Pattern(pattern) => {
                let mut parsed = BrokenDownTime::parse(pattern, text).ok()?;
                if !pattern.contains("%d") && !pattern.contains("%j") {
                    parsed.set_day(Some(1)).ok()?;
                }
                let date = parsed.to_date().ok().filter(plausible)?;
                // What looks like a number is a date of a time that data are of.
                let bare = !pattern.contains(|c: char| !c.is_ascii_alphabetic() && c != '%');
                (!bare || pattern.contains('b') || (1800..2200).contains(&date.year())).then(|| days(date))
            }
            Self::Quarter => part_of_year(text, 'Q', 4).filter(plausible).map(days),
            Self::Month => part_of_year(text, 'M', 12).filter(plausible).map(days),
            Self::Half => part_of_year(text, 'H', 2).filter(plausible).map(days),
            Self::Week => {
                let (year, rest) = text.split_once(['W', 'w'])?;
                let year = year.trim_end_matches('-').parse().ok()?;
                let (week, day) = rest.split_once('-').unwrap_or((rest, "1"));
                let day = Weekday::from_monday_one_offset(day.parse().ok()?).ok()?;
                let date = ISOWeekDate::new(year, week.parse().ok()?, day).ok()?.date();
                Some(date).filter(plausible).map(days)
            }
        }
    }
}

/// The first day of a part of a year: `2024Q1`, `2024-Q1`, `Q1 2024`, `1Q2024`, with `mark` for `Q` and so many parts a year.
fn part_of_year(text: &str, mark: char, parts: i8) -> Option<Date> {
    let upper = text.to_ascii_uppercase();
    let (before, after) = upper.split_once(mark)?;
    let trim = |part: &str| part.trim_matches([' ', '-', '/', '_', ':']).to_owned();
    let (before, after) = (trim(before), trim(after));
    let (year, part) = match (before.len(), after.len()) {
        (4, 1 | 2) => (before, after),
        (0, 5..) => {
            // The first byte alone may be no character.
            let (part, year) = (after.get(..1)?, after.get(1..)?);
            (year.trim_start_matches([' ', '-', '/']).to_owned(), part.to_owned())
        }
        (1, 4) => (after, before),
        _ => return None,
    };
    let part = part.parse::<i8>().ok().filter(|part| (1..=parts).contains(part))?;
    let year = year.parse().ok().filter(|_| year.len() == 4)?;
    Date::new(year, 12 / parts * (part - 1) + 1, 1).ok()
}

/// Whether a text is so many digits.
pub(super) fn is_digits(text: &str, n: usize) -> bool {
    text.len() == n && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn days(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

/// The day that many days after 1970-01-01, as `2024-02-29`.
pub(super) fn day_text(days: i64) -> Option<String> {
    let span = jiff::Span::new().try_days(days).ok()?;
    Some(Date::constant(1970, 1, 1).checked_add(span).ok()?.to_string())
}

/// Year and month of a day counted from 1970-01-01, as months since the year 0, and the day of the month from 1.
pub(super) fn month(days: i64) -> Option<(i64, i8)> {
    let span = jiff::Span::new().try_days(days).ok()?;
    let date = Date::constant(1970, 1, 1).checked_add(span).ok()?;
    Some((i64::from(date.year()) * 12 + i64::from(date.month()) - 1, date.day()))
}
