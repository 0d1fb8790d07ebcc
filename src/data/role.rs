//! What a column of a table is, by its name and its cells.

use super::columns::number;
use super::sheet::Sheet;
#[cfg(feature = "import")]
use super::times::is_date;
#[cfg(not(feature = "import"))]
use super::unread::is_date;
use crate::error::Result;
use std::collections::{HashMap, HashSet};

/// What a column is.
pub(super) enum Role {
    Number,
    Category,
    /// Nothing to learn from, and why.
    LeftOut(&'static str),
}

/// What a column is, by all of its cells.
pub(super) fn role(sheet: &Sheet, column: usize, keep: &[String], categories: &[String]) -> Result<Role> {
    let name = &sheet.columns[column];
    let (kept, said) = (keep.contains(name), categories.contains(name) || sheet.is_nominal(column));
    let (mut cells, mut numbers, mut words) = (0, Vec::new(), HashMap::<&str, (usize, usize)>::new());
    for row in 0..sheet.len() {
        let Some(value) = sheet.value(row, column) else { continue };
        cells += 1;
        // `inf` is a number that is refused, not a word.
        match if said { None } else { sheet.number(row, column)? } {
            Some(value) => numbers.push(value),
            None => words.entry(value).or_insert((0, row)).0 += 1,
        }
    }
    if cells == 0 {
        return Ok(Role::LeftOut("no values"));
    }
    if name.is_empty() && !kept {
        return Ok(Role::LeftOut("it numbers the rows"));
    }
    if words.is_empty() && !kept && are_codes(sheet, column) {
        let different: HashSet<_> = (0..sheet.len()).filter_map(|row| sheet.value(row, column)).collect();
        return Ok(match different.len() {
            n if n > 8 && 2 * n > cells => Role::LeftOut("a code of its own in most rows"),
            _ => Role::Category,
        });
    }
    if words.is_empty() {
        return Ok(match kept {
            true => Role::Number,
            false if counts_rows(sheet, column, &numbers) => Role::LeftOut("it numbers the rows"),
            false => identifiers(name, &numbers),
        });
    }
    if numbers.is_empty() && !said && !kept && words.keys().all(|word| is_date(word)) {
        return Ok(Role::LeftOut(
            "dates; what of them matters, a weekday or an age, makes a column of its own",
        ));
    }
    // A few words among numbers are slips, or stand for no value: nobody means such a column as a category.
    if !numbers.is_empty() && words.len() <= 3 && numbers.len() > cells / 2 {
        let row = words.values().map(|(_, row)| *row).min().unwrap_or(0);
        return number(sheet, row, column).map(|_| Role::Number);
    }
    let different = words.len() + numbers.iter().map(|n| n.to_bits()).collect::<HashSet<_>>().len();
    if said || kept {
        return Ok(Role::Category);
    }
    Ok(match different {
        1 if cells == sheet.len() => Role::LeftOut("the same in every row"),
        different if different > 8 && 2 * different > cells => {
            Role::LeftOut("a text of its own in most rows")
        }
        _ => Role::Category,
    })
}

/// Whether whole numbers are codes such as `02115`: as many digits each, and zeros before some.
fn are_codes(sheet: &Sheet, column: usize) -> bool {
    let cells = || (0..sheet.len()).filter_map(|row| sheet.value(row, column));
    let width = cells().next().map_or(0, str::len);
    width > 1
        && cells().all(|cell| cell.len() == width && cell.bytes().all(|byte| byte.is_ascii_digit()))
        && cells().any(|cell| cell.starts_with('0'))
}

/// Most values that name things rather than measure them.
const NAMES: usize = 64;

/// Numbers in a column that is called an id: few are categories, many tell nothing of new rows.
fn identifiers(name: &str, numbers: &[f64]) -> Role {
    let whole = numbers.iter().all(|n| n.fract() == 0.0);
    let different = numbers.iter().map(|n| n.to_bits()).collect::<HashSet<_>>().len();
    match is_called_id(name) && whole {
        true if different > NAMES => Role::LeftOut("numbers that are ids"),
        true => Role::Category,
        false => Role::Number,
    }
}

/// `id`, `store_id`, `storeId`, `storeID`; but not `PAID`.
fn is_called_id(name: &str) -> bool {
    let before = |end: &str| name.strip_suffix(end).map(|start| !start.ends_with(|c: char| c.is_uppercase()));
    let lower = name.to_lowercase();
    lower == "id" || lower.ends_with("_id") || before("Id") == Some(true) || before("ID") == Some(true)
}

/// Whether whole numbers number the rows: all different and called so, or counted through from 0 or 1 in the first of several
/// columns.
fn counts_rows(sheet: &Sheet, column: usize, numbers: &[f64]) -> bool {
    let name = &sheet.columns[column];
    let lower = name.to_lowercase();
    let called = [
        "id",
        "index",
        "idx",
        "no",
        "no.",
        "nr",
        "nr.",
        "row",
        "rownum",
        "row_id",
        "row_number",
        "unnamed: 0",
        "rownames",
        "column1",
        "obs",
        "s.no",
        "sno",
        "serial",
        "#",
    ]
    .contains(&lower.as_str())
        || is_called_id(name);
    if numbers.len() < 10 || numbers.len() < sheet.len() || numbers.iter().any(|n| n.fract() != 0.0) {
        return false;
    }
    let counted = numbers.windows(2).all(|pair| pair[1] - pair[0] == 1.0);
    counted && column == 0 && numbers[0] <= 1.0 && numbers[0] >= 0.0 && sheet.columns.len() > 2
        || called && numbers.iter().map(|n| n.to_bits()).collect::<HashSet<_>>().len() == numbers.len()
}
