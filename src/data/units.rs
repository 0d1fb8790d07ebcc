//! Numbers with a unit in every cell of their column, such as `$5` and `12 %`.

use super::sheet::{Decimal, Sheet, number, shown, ten};

/// What stands before or behind a number; last what stands for no unit, where some numbers are written as bookkeepers do.
const UNITS: [&str; 10] = ["$", "€", "£", "¥", "%", "USD", "EUR", "GBP", "CHF", BRACKETS];
/// Numbers below 0 in brackets.
const BRACKETS: &str = "()";

/// Takes the unit out of the cells of each column whose numbers all have the same, and says so.
pub(super) fn take(sheet: &mut Sheet) -> Option<String> {
    let units: Vec<_> = (0..sheet.columns.len()).map(|column| unit(sheet, column)).collect();
    if units.iter().all(Option::is_none) {
        return None;
    }
    let (mut text, mut ends) =
        (String::with_capacity(sheet.text.len()), Vec::with_capacity(sheet.ends.len()));
    for row in 0..sheet.len() {
        for (column, unit) in units.iter().enumerate() {
            let cell = sheet.cell(row, column);
            text += unit.and_then(|unit| without(cell, unit)).as_deref().unwrap_or(cell);
            ends.push(text.len());
        }
    }
    (sheet.text, sheet.ends) = (text, ends);
    let named = |(column, unit): (usize, &Option<&str>)| {
        unit.map(|unit| match unit {
            BRACKETS => format!("`{}` (in brackets: below 0)", shown(&sheet.columns[column])),
            unit => format!("`{}` ({unit})", shown(&sheet.columns[column])),
        })
    };
    let names: Vec<_> = units.iter().enumerate().filter_map(named).collect();
    Some(format!("numbers with a unit, read without it: {}", ten(&names)))
}

/// The unit of a column; none where one of its values has none or another.
fn unit(sheet: &Sheet, column: usize) -> Option<&'static str> {
    let mut values = (0..sheet.len()).filter_map(|row| sheet.value(row, column));
    let first = values.next()?;
    let unit = UNITS.into_iter().find(|unit| without(first, unit).is_some())?;
    let all = values.all(|value| without(value, unit).is_some());
    let written = unit != BRACKETS
        || (0..sheet.len()).filter_map(|row| sheet.value(row, column)).any(|value| value.starts_with('('));
    (all && written).then_some(unit)
}

/// The number of a cell without its unit; nothing if it has not that unit, or is no number.
fn without(cell: &str, unit: &str) -> Option<String> {
    let inner = cell.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let (sign, rest) = match inner.or_else(|| cell.strip_prefix('-')) {
        Some(rest) => ("-", rest.trim()),
        None => ("", cell),
    };
    let bare = match unit {
        BRACKETS => rest,
        unit => rest.strip_prefix(unit).or_else(|| rest.strip_suffix(unit))?.trim(),
    };
    let is_number = |decimal| number(bare, decimal).is_some();
    (is_number(Decimal::Point) || is_number(Decimal::Comma)).then(|| format!("{sign}{bare}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_taken_from_numbers_alone() {
        for (cell, unit, expected) in [
            ("$5", "$", Some("5")),
            ("-$1,234.50", "$", Some("-1,234.50")),
            ("12 %", "%", Some("12")),
            ("1.234,5 €", "€", Some("1.234,5")),
            ("$five", "$", None),
            ("5", "$", None),
            ("$", "$", None),
            ("($1,234.50)", "$", Some("-1,234.50")),
            ("(12)", "()", Some("-12")),
            ("12", "()", Some("12")),
            ("-12", "()", Some("-12")),
            ("(a)", "()", None),
        ] {
            assert_eq!(without(cell, unit).as_deref(), expected, "{cell}");
        }
    }
}
