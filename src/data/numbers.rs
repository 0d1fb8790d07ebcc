//! Numbers as people write them.

use serde::{Deserialize, Serialize};

/// What stands before a number's fraction; the other of the two may set groups of three digits apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decimal {
    /// `1,234.5`.
    Point,
    /// `1.234,5`.
    Comma,
}

/// Reads a number with groups of digits set apart or not.
pub(super) fn number(text: &str, decimal: Decimal) -> Option<f64> {
    let (mark, group) = match decimal {
        Decimal::Point => ('.', ','),
        Decimal::Comma => (',', '.'),
    };
    let plain = |text: &str| {
        let first = text.trim_start_matches(['+', '-']).chars().next()?;
        (first.is_ascii_digit() || first == '.').then(|| text.parse().ok())?
    };
    if decimal == Decimal::Point
        && !text.contains(group)
        && text.is_ascii()
        && let Some(number) = plain(text)
    {
        return Some(number);
    }
    let text = text.replace('\u{2212}', "-");
    let (sign, rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text.as_str()),
    };
    // Only what could be a number is looked at further: most text is none.
    if !rest.chars().all(|c| c.is_ascii_digit() || "eE+-.,' \u{a0}\u{202f}".contains(c)) {
        return None;
    }
    let (whole, fraction) = rest.split_once(mark).map_or((rest, None), |(whole, rest)| (whole, Some(rest)));
    let grouped = [group, ' ', '\'', '\u{a0}', '\u{202f}'].into_iter().find(|&mark| whole.contains(mark));
    let digits = match grouped {
        Some(mark) => {
            let groups: Vec<_> = whole.split(mark).collect();
            let of_digits = groups.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
            let fits = (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|part| part.len() == 3);
            (of_digits && fits).then(|| groups.concat())?
        }
        None => whole.to_owned(),
    };
    match fraction {
        Some(fraction) => plain(&format!("{sign}{digits}.{fraction}")),
        None => plain(&format!("{sign}{digits}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_both_marks() {
        use Decimal::{Comma, Point};
        for (text, decimal, expected) in [
            ("1.5", Point, Some(1.5)),
            ("-2e3", Point, Some(-2000.0)),
            (".5", Point, Some(0.5)),
            ("+7", Point, Some(7.0)),
            ("1,234.5", Point, Some(1234.5)),
            ("1,234,567", Point, Some(1_234_567.0)),
            ("12,34", Point, None),
            ("1,5", Comma, Some(1.5)),
            ("1.234,5", Comma, Some(1234.5)),
            ("1 234,5", Comma, Some(1234.5)),
            ("1\u{a0}234,5e1", Comma, Some(12345.0)),
            ("\u{2212}0,25", Comma, Some(-0.25)),
            ("12.34", Comma, None),
            ("", Point, None),
            ("-", Point, None),
            ("nan", Point, None),
            ("inf", Point, None),
            ("a1", Comma, None),
            ("2024-01-01", Point, None),
            ("1..2", Point, None),
            ("ü", Point, None),
        ] {
            assert_eq!(number(text, decimal), expected, "{text}");
        }
    }
}
