//! How series stand in a sheet: what is said of it, and what can be told.

use super::series::{Layout, SeriesColumns};
use super::sheet::{Sheet, listed, shown, ten};
use super::time_columns;
use super::times::is_date;
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Columns by what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) layout: Layout,
    pub(super) ids: Vec<usize>,
    pub(super) values: Vec<usize>,
    pub(super) time: Option<usize>,
    /// Further columns of the time, e.g. that of the time of day beside a date.
    pub(super) more: Vec<usize>,
}

impl Places {
    /// Whether the sheet is one series.
    pub(super) fn is_one(&self) -> bool {
        self.ids.is_empty() && self.values.len() == 1
    }
}

/// Names that columns have where nobody says what they are.
const IDS: [&str; 7] = ["id", "unique_id", "series_id", "item_id", "ts_id", "series", "tsid"];
const VALUES: [&str; 5] = ["realvalue", "value", "y", "target", "values"];
const TIMES: [&str; 10] =
    ["ds", "date", "time", "timestamp", "datetime", "day", "month", "year", "date_time", "period"];
/// A row of fewer values than this is no series.
const ROW: usize = 20;

/// Tells the layout of a sheet.
///
/// # Errors
/// [`Recipe`](crate::ErrorKind::Recipe) naming the setting of a column that is not there, or that has to be said.
pub(super) fn of(sheet: &Sheet, said: &SeriesColumns) -> Result<(Places, Vec<String>)> {
    let mut notes = Vec::new();
    let named = |names: &[&str]| called(sheet, names);
    let mut ids = find_all(sheet, "task.id_column", &said.ids)?;
    let mut values = find_all(sheet, "task.value_column", &said.values)?;
    let told = ids.is_empty() && values.is_empty();
    let mut times = find_all(sheet, "task.time_column", said.time.as_slice())?;
    if times.is_empty() && said.layout != Some(Layout::Rows) {
        times = told_times(sheet, &|column| !ids.contains(column) && !values.contains(column), told);
        if !times.is_empty() {
            notes.push(format!("times are taken from {}", named_columns(sheet, &times)));
        }
    }
    let time = times.first().copied();
    let more = times.get(1..).unwrap_or_default().to_vec();
    if ids.is_empty() && said.layout.is_none_or(|layout| layout == Layout::Long) {
        ids.extend(named(&IDS).filter(|column| !values.contains(column) && !times.contains(column)));
        if ids.is_empty() && values.len() < 2 && time.is_some_and(|column| repeats(sheet, column)) {
            ids.extend(words(sheet, &times));
        }
    }
    let free = |column: usize| !ids.contains(&column) && !times.contains(&column);
    let numeric: Vec<_> = (0..sheet.columns.len())
        .filter(|&column| free(column) && !sheet.columns[column].is_empty() && is_numbers(sheet, column))
        .collect();
    let by_rows = said.layout == Some(Layout::Rows)
        || said.layout.is_none() && values.is_empty() && rows_are_series(sheet, &ids, time);
    if by_rows {
        return by_row(sheet, &ids, &values);
    }
    if values.is_empty() {
        let usual =
            named(&VALUES).filter(|column| numeric.contains(column) && said.layout != Some(Layout::Wide));
        values = usual.map_or(numeric, |column| vec![column]);
        notes.push(told_values(sheet, &ids, &values, &times)?);
    }
    let layout =
        said.layout.unwrap_or(if ids.is_empty() && values.len() > 1 { Layout::Wide } else { Layout::Long });
    let places = Places { layout, ids, values, time, more };
    check(sheet, &places)?;
    notes.extend(no_times(sheet, &places));
    if said.ids.is_empty()
        && let Some(&id) = places.ids.first()
    {
        notes.push(format!("series are told apart by `{}`", shown(&sheet.columns[id])));
    }
    Ok((places, notes))
}

/// The first column that is called by one of these names, in their order.
fn called(sheet: &Sheet, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| sheet.columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

/// The columns of times among those that are free: of dates, with the time of day; of year, month and so on; where nothing is
/// said of a file (`told`), of numbers by its name.
fn told_times(sheet: &Sheet, free: &dyn Fn(&usize) -> bool, told: bool) -> Vec<usize> {
    let dates = |column: &usize| is_dates(sheet, *column);
    let usual = called(sheet, &TIMES).filter(free);
    let of_year = || time_columns::of_year(sheet, free);
    let mut times = usual.filter(dates).map(|column| vec![column]).or_else(of_year).unwrap_or_default();
    if times.is_empty() {
        let numbers = usual.filter(|column| told && is_numbers(sheet, *column));
        times.extend(numbers.or_else(|| (0..sheet.columns.len()).filter(free).find(dates)));
    }
    if let [date] = times[..]
        && dates(&date)
    {
        times.extend(time_columns::of_day(sheet, date, free));
    }
    times
}

/// Columns by their names, and at most ten.
fn named_columns(sheet: &Sheet, columns: &[usize]) -> String {
    let name = |&column: &usize| match sheet.columns[column].as_str() {
        "" => "the column without a name".to_owned(),
        name => format!("`{}`", shown(name)),
    };
    ten(&columns.iter().map(name).collect::<Vec<_>>())
}

/// Says that nothing was taken for times, and what they may have been.
fn no_times(sheet: &Sheet, places: &Places) -> Option<String> {
    if places.time.is_some() || places.layout == Layout::Rows {
        return None;
    }
    let other = |column: &usize| !places.ids.contains(column) && !places.values.contains(column);
    let others: Vec<_> =
        (0..sheet.columns.len()).filter(other).map(|column| sheet.columns[column].as_str()).collect();
    let passed = match others.is_empty() {
        true => return None,
        false => listed(&others),
    };
    Some(format!(
        "no column of times: rows are taken in order, and passed over are {passed}; --time-column names one, --set \
         'task.dates=\"%d|%m|%Y\"' says how its dates are written"
    ))
}

/// What is said of columns of values that nobody named.
fn told_values(sheet: &Sheet, ids: &[usize], values: &[usize], times: &[usize]) -> Result<String> {
    let file = sheet.path.display();
    let names: Vec<_> = values.iter().map(|&column| sheet.columns[column].as_str()).collect();
    let to_say =
        |what: String| Err(Error::recipe("task.value_column", format!("has to be said: {file} has {what}")));
    match names[..] {
        [] => to_say("no column of numbers".to_owned()),
        [only] => Ok(format!("values are taken from `{}`", shown(only))),
        _ if !ids.is_empty() => {
            let rows = match names.len() > ROW {
                true => "; if each row is a series: --set task.layout=rows",
                false => "",
            };
            to_say(format!("several columns of numbers, {}{rows}", listed(&names)))
        }
        _ => {
            let others =
                (0..sheet.columns.len()).filter(|column| !values.contains(column) && !times.contains(column));
            let others: Vec<_> = others.collect();
            let left_out = match others.is_empty() {
                true => String::new(),
                false => format!(
                    "; left out, as they are no numbers or have no name: {}",
                    named_columns(sheet, &others)
                ),
            };
            Ok(format!("a column each, {} series: {}{left_out}", names.len(), listed(&names)))
        }
    }
}

/// A row is a series: the first column that is none of the values names it.
fn by_row(sheet: &Sheet, ids: &[usize], values: &[usize]) -> Result<(Places, Vec<String>)> {
    let words = |column: &usize| !is_numbers(sheet, *column);
    let id = ids.first().copied().or_else(|| Some(0).filter(words));
    let values: Vec<_> = match values.is_empty() {
        true => (0..sheet.columns.len()).filter(|column| Some(*column) != id).collect(),
        false => values.to_vec(),
    };
    let note = format!("a row each, {} series", sheet.len());
    Ok((
        Places { layout: Layout::Rows, ids: id.into_iter().collect(), values, time: None, more: Vec::new() },
        vec![note],
    ))
}

/// Columns by name; one name may list several.
fn find_all(sheet: &Sheet, key: &str, names: &[String]) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for name in names {
        match sheet.place(name) {
            Some(place) => places.push(place),
            None if name.contains(',') => {
                for part in name.split(',') {
                    places.push(sheet.find(key, part.trim())?);
                }
            }
            None => places.push(sheet.find(key, name)?),
        }
    }
    Ok(places)
}

/// Refuses what was meant otherwise: a series of each row with one value.
fn check(sheet: &Sheet, places: &Places) -> Result<()> {
    if places.ids.is_empty() || sheet.len() < 3 {
        return Ok(());
    }
    let name = |row: usize| places.ids.iter().map(|&column| sheet.cell(row, column)).collect::<Vec<_>>();
    if (0..sheet.len()).map(name).collect::<HashSet<_>>().len() < sheet.len() {
        return Ok(());
    }
    let column = shown(&sheet.columns[places.ids[0]]);
    let reason = format!(
        "is `{column}`, which is another in every row of {}, so that every series has one value; a row for each series and time is \
         needed. Where columns are series leave --id-column out (--value-column A,B,C --time-column T), where rows are, --set \
         task.layout=rows",
        sheet.path.display()
    );
    Err(Error::recipe("task.id_column", reason))
}

/// Whether a cell of a column stands there twice.
fn repeats(sheet: &Sheet, column: usize) -> bool {
    (0..sheet.len()).map(|row| sheet.cell(row, column)).collect::<HashSet<_>>().len() < sheet.len()
}

/// The only column of words, some of them more than once: where times repeat, it tells series apart.
fn words(sheet: &Sheet, times: &[usize]) -> Option<usize> {
    let named = |column: &usize| {
        !times.contains(column)
            && !is_numbers(sheet, *column)
            && (0..sheet.len()).all(|row| sheet.value(row, *column).is_some())
            && repeats(sheet, *column)
    };
    let found: Vec<_> = (0..sheet.columns.len()).filter(named).collect();
    if let [only] = found[..] { Some(only) } else { None }
}

/// Whether all cells of a column are dates.
fn is_dates(sheet: &Sheet, column: usize) -> bool {
    let rows = 0..sheet.len().min(200);
    !rows.is_empty() && rows.clone().all(|row| is_date(sheet.cell(row, column)))
}

/// Whether all cells of a column that have a value are numbers.
fn is_numbers(sheet: &Sheet, column: usize) -> bool {
    let mut cells = (0..sheet.len()).filter(|&row| sheet.value(row, column).is_some()).peekable();
    cells.peek().is_some() && cells.all(|row| sheet.number(row, column).is_ok_and(|number| number.is_some()))
}

/// Whether the rows look like series: a name or nothing, then many numbers, and no times.
fn rows_are_series(sheet: &Sheet, ids: &[usize], time: Option<usize>) -> bool {
    let names: HashSet<_> =
        (0..sheet.len()).map(|row| sheet.cell(row, ids.first().copied().unwrap_or(0))).collect();
    time.is_none()
        && sheet.columns.len() > ROW
        && sheet.columns.len() > sheet.len() / 4
        && names.len() == sheet.len()
        && !is_numbers(sheet, ids.first().copied().unwrap_or(0))
        && (1..sheet.columns.len()).all(|column| {
            ids.contains(&column)
                || (0..sheet.len()).all(|row| sheet.value(row, column).is_none())
                || is_numbers(sheet, column)
        })
}
