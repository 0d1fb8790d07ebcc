//! Times that stand in several columns: date and time of day, or year, month, day and hour.

use super::sheet::Sheet;

/// The columns of year, month and, if they are there, day and hour, where these are numbers.
pub(super) fn of_year(sheet: &Sheet, free: impl Fn(&usize) -> bool) -> Option<Vec<usize>> {
    let one = |names: &[&str], range: std::ops::RangeInclusive<i64>| {
        let called = |name: &String| names.iter().any(|known| name.eq_ignore_ascii_case(known));
        let column = sheet.columns.iter().position(called).filter(&free)?;
        let within =
            |row: usize| sheet.cell(row, column).parse::<i64>().is_ok_and(|number| range.contains(&number));
        (0..sheet.len()).all(within).then_some(column)
    };
    let mut columns =
        vec![one(&["year", "yr", "yyyy"], 1000..=2999)?, one(&["month", "mo", "mon", "mm"], 1..=12)?];
    if let Some(day) = one(&["day", "dd", "day_of_month"], 1..=31) {
        columns.push(day);
        columns.extend(one(&["hour", "hr", "hh"], 0..=23));
    }
    Some(columns)
}

/// The column of the time of day beside one of dates without any.
pub(super) fn of_day(sheet: &Sheet, date: usize, free: impl Fn(&usize) -> bool) -> Option<usize> {
    let called =
        |name: &&str| sheet.columns.iter().position(|column| column.eq_ignore_ascii_case(name)).filter(&free);
    let clock = |cell: &str| match cell.split_once(':') {
        Some((hour, rest)) => {
            [hour, &rest[..rest.len().min(2)]].iter().all(|part| part.parse::<u8>().is_ok())
        }
        None => cell.parse::<u8>().is_ok_and(|hour| hour < 24),
    };
    let is_clock =
        |column: &usize| *column != date && (0..sheet.len()).all(|row| clock(sheet.cell(row, *column)));
    let bare = (0..sheet.len().min(200)).all(|row| !sheet.cell(row, date).contains(':'));
    let names = ["time", "hour", "hr", "clock", "time_of_day", "timeofday", "hours"];
    names.iter().find_map(called).filter(is_clock).filter(|_| bare)
}

/// The time of a row as one text.
pub(super) fn text(sheet: &Sheet, row: usize, columns: &[usize]) -> String {
    let cells: Vec<_> = columns.iter().map(|&column| sheet.cell(row, column)).collect();
    let whole = |cell: &str| cell.len() < 3 && cell.parse::<u8>().is_ok();
    let year = cells[0].len() == 4 && cells[0].parse::<u16>().is_ok();
    let days = match year {
        true => 1 + cells[1..].iter().take(2).take_while(|cell| whole(cell)).count(),
        false => 1,
    };
    let mut text = cells[0].to_owned();
    cells[1..days].iter().for_each(|cell| text += &format!("-{cell:0>2}"));
    let clock: Vec<String> = cells[days..]
        .iter()
        .map(|cell| if whole(cell) { format!("{cell:0>2}") } else { (*cell).to_owned() })
        .collect();
    match &clock[..] {
        [] => text,
        [hour] if hour.len() == 2 => format!("{text} {hour}:00"),
        parts if parts.iter().all(|part| part.len() == 2) => format!("{text} {}", parts.join(":")),
        parts => format!("{text} {}", parts.join(" ")),
    }
}
