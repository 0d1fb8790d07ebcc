//! Numbers that stand for no value, as sensors and old programs write them.

use super::sheet::{Sheet, counted, shown};

/// Of a column of a sheet, as [`note`].
pub(super) fn of_column(sheet: &Sheet, column: usize) -> Option<String> {
    let values = (0..sheet.len()).filter(|&row| sheet.value(row, column).is_some());
    let numbers: Vec<_> = values.filter_map(|row| sheet.number(row, column).ok().flatten()).collect();
    note(&format!("`{}`", shown(&sheet.columns[column])), &numbers)
}

/// What to tell where a number of nines alone (99, -999, 9999), or one that comes again and again, stands apart from all others by more
/// than they do from one another.
pub(super) fn note(what: &str, numbers: &[f64]) -> Option<String> {
    let mut sorted: Vec<_> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let ends = [sorted.first(), sorted.last()].map(Option::<&f64>::copied);
    let suspect = |value: f64| {
        let digits = value.abs().to_string();
        digits.len() >= 2 && digits.bytes().all(|digit| digit == b'9')
    };
    ends.into_iter().flatten().find_map(|value| {
        let others: Vec<_> = sorted.iter().copied().filter(|&other| other != value).collect();
        let (low, high) = (*others.first()?, *others.last()?);
        let gap = if value < low { low - value } else { value - high };
        let count = sorted.len() - others.len();
        let apart = gap > (high - low).max(1.0) && others.len() > 2;
        (apart && (suspect(value) || count > 2 && high > low)).then(|| {
            let rows = counted(count, "row");
            format!(
                "{what} is {value} in {rows}, far from its other values ({low} to {high}); if it stands for no value: --set \
                 'task.missing_values=[\"{value}\"]'"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::note;

    #[test]
    fn numbers_that_stand_for_no_value_are_noticed_and_others_are_not() {
        let said = note("`y`", &[20.5, 18.0, -999.0, 30.0, -999.0]).unwrap();
        assert!(
            said.contains("`y` is -999 in 2 rows")
                && said.contains("(18 to 30)")
                && said.contains(r#"["-999"]"#)
        );
        assert!(note("`y`", &[1.0, 2.0, 9999.0, 3.0]).is_some_and(|said| said.contains("in 1 row,")));
        assert!(note("`y`", &[1.5, -200.0, 2.0, -200.0, 3.0, -200.0]).is_some());
        for plain in [
            &[97.0, 98.0, 99.0][..],
            &[9.0, 10.0, 12.0],
            &[1.0, 400.0, 999.0],
            &[99.0, 99.0, 1.0],
            &[1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0],
            &[f64::NAN],
            &[],
        ] {
            assert_eq!(note("`y`", plain), None, "{plain:?}");
        }
    }
}
