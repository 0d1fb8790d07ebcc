//! Fields measured at scattered places, out of files of text.

use super::sheet::{Dialect, Sheet, listed, shown};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a file says what: a row is a point of the field that its id names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldColumns {
    /// The column that names a row's field.
    pub id: String,
    /// The columns of coordinates.
    pub coordinates: Vec<String>,
    /// The columns of values.
    pub values: Vec<String>,
}

/// Fields of a file, in the order of their ids.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSet {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file as it lies there.
    pub sha256: String,
    /// What was told from the file that a person should know, a line each.
    pub notes: Vec<String>,
    /// Each field's id and number of points.
    pub fields: Vec<(String, usize)>,
    /// Coordinates of all points, field by field, `[points, coordinates]`.
    pub x: Vec<f64>,
    /// Values there, `[points, values]`.
    pub y: Vec<f64>,
}

/// Least and greatest of each column of numbers, by which a model's inputs and outputs are scaled: coordinates to `[−1, 1]`, values
/// to `[0, 1]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranges(pub Vec<[f64; 2]>);

impl Ranges {
    /// Those of `rows: [rows, columns]`; `what` and `names` are for an error.
    ///
    /// # Errors
    /// [`Failed`](crate::ErrorKind::Failed) naming a column that holds one value alone.
    pub fn of(rows: &[f64], names: &[String]) -> Result<Self> {
        let column = |(at, name): (usize, &String)| {
            let values = rows.iter().skip(at).step_by(names.len());
            let ends = [f64::INFINITY, f64::NEG_INFINITY];
            let [low, high] = values.fold(ends, |[low, high], &v| [low.min(v), high.max(v)]);
            match low < high && (high - low).is_finite() {
                true => Ok([low, high]),
                false => Err(Error::failed(format!(
                    "column `{}` is {low} to {high}: from such numbers nothing can be learned; leave it out",
                    shown(name)
                ))),
            }
        };
        names.iter().enumerate().map(column).collect::<Result<_>>().map(Self)
    }

    /// Coordinates from their units to `[−1, 1]`, in place, `[rows, columns]`.
    #[must_use]
    pub fn to_coordinates(&self, rows: &[f64]) -> Vec<f32> {
        self.share(rows, |share| 2.0 * share - 1.0)
    }

    /// Values from their units to `[0, 1]`, `[rows, columns]`.
    #[must_use]
    pub fn to_values(&self, rows: &[f64]) -> Vec<f32> {
        self.share(rows, |share| share)
    }

    fn share(&self, rows: &[f64], to: fn(f64) -> f64) -> Vec<f32> {
        let ranges = self.0.iter().cycle();
        rows.iter().zip(ranges).map(|(v, [low, high])| to((v - low) / (high - low)) as f32).collect()
    }

    /// Values from `[0, 1]` to their units, `[rows, columns]`.
    #[must_use]
    pub fn from_values(&self, rows: &[f32]) -> Vec<f64> {
        let ranges = self.0.iter().cycle();
        rows.iter().zip(ranges).map(|(&v, [low, high])| low + (high - low) * f64::from(v)).collect()
    }
}

impl FieldSet {
    /// Reads a file of text, see [`Sheet::read`]. `known` is the SHA-256 that it must have.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key of a column that is not there or stands for two things;
    /// [`File`](crate::ErrorKind::File) naming the file, with line and column of a cell that is no number or missing, or an id
    /// with a single point.
    pub fn read(path: &Path, columns: &FieldColumns, dialect: &Dialect, known: Option<&str>) -> Result<Self> {
        let known = known.map(|sum| ("task.sha256", sum));
        let expected: Vec<_> =
            [&columns.id].into_iter().chain(&columns.coordinates).chain(&columns.values).cloned().collect();
        let sheet = Sheet::read(path, dialect, &expected, known)?;
        let [id, coordinates, values] = places(&sheet, columns)?;
        let mut rows = BTreeMap::<&str, Vec<usize>>::new();
        for row in 0..sheet.len() {
            let name = sheet.value(row, id[0]).ok_or_else(|| sheet.wrong(row, id[0], "the id is missing"))?;
            rows.entry(name).or_default().push(row);
        }
        let single = |(_, rows): &(&&str, &Vec<usize>)| rows.len() == 1;
        if let Some((name, rows)) = rows.iter().find(single) {
            let reason = format!(
                "field `{}` has a single point; a field needs two at least, one to adapt on and one to be judged on",
                shown(name)
            );
            return Err(sheet.wrong(rows[0], id[0], &reason));
        }
        let numbers = |columns: &[usize], what: &str| -> Result<Vec<f64>> {
            let cells = rows.values().flatten().flat_map(|&row| columns.iter().map(move |&at| (row, at)));
            cells.map(|(row, column)| number(&sheet, row, column, what)).collect()
        };
        Ok(Self {
            path: path.to_owned(),
            sha256: sheet.sha256.clone(),
            notes: sheet.notes.clone(),
            fields: rows.iter().map(|(name, rows)| ((*name).to_owned(), rows.len())).collect(),
            x: numbers(&coordinates, "a coordinate")?,
            y: numbers(&values, "a value")?,
        })
    }
}

/// A cell's number.
fn number(sheet: &Sheet, row: usize, column: usize, what: &str) -> Result<f64> {
    if sheet.value(row, column).is_none() {
        return Err(sheet.wrong(row, column, &format!("{what} is missing")));
    }
    let found = sheet.number(row, column)?.filter(|number| number.is_finite());
    found.ok_or_else(|| {
        let cell = shown(sheet.cell(row, column));
        sheet.wrong(row, column, &format!("`{cell}` is no number; {what} is needed"))
    })
}

/// Places of the columns of ids, coordinates and values.
fn places(sheet: &Sheet, columns: &FieldColumns) -> Result<[Vec<usize>; 3]> {
    let find = |key: &str, names: &[String]| {
        names.iter().map(|name| sheet.find(key, name)).collect::<Result<Vec<_>>>()
    };
    let of = [
        ("task.id_column", std::slice::from_ref(&columns.id)),
        ("task.coordinates", &columns.coordinates[..]),
        ("task.values", &columns.values[..]),
    ];
    let mut taken = Vec::new();
    let mut found = [const { Vec::new() }; 3];
    for ((key, names), found) in of.into_iter().zip(&mut found) {
        if names.is_empty() {
            let reason =
                format!("is needed, the columns' names; {} has {}", sheet.name(), listed(&sheet.columns));
            return Err(Error::recipe(key, reason));
        }
        *found = find(key, names)?;
        for &place in &*found {
            if taken.contains(&place) {
                let reason = format!("has `{}`, which is taken already", shown(&sheet.columns[place]));
                return Err(Error::recipe(key, reason));
            }
            taken.push(place);
        }
    }
    Ok(found)
}

#[cfg(all(test, feature = "import"))]
mod tests {
    use super::*;

    const TEXT: &str = "station,lon,lat,wind,rain\nb,1,10,0.5,-1\na,0,20,1.5,0\nb,2,30,2.5,1\na,4,20,3.5,3\n";

    fn read(text: &str, values: &[&str]) -> Result<FieldSet> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wind.csv");
        std::fs::write(&path, text).unwrap();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let columns =
            FieldColumns { id: "station".into(), coordinates: names(&["lon", "lat"]), values: names(values) };
        FieldSet::read(&path, &columns, &Dialect::default(), None)
    }

    #[test]
    fn rows_of_an_id_are_a_field() {
        let set = read(TEXT, &["rain", "wind"]).unwrap();
        assert_eq!(set.fields, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
        assert_eq!(set.x, [0., 20., 4., 20., 1., 10., 2., 30.]);
        assert_eq!(set.y, [0., 1.5, 3., 3.5, -1., 0.5, 1., 2.5]);
        let names = ["lon".to_owned(), "lat".to_owned()];
        let ranges = Ranges::of(&set.x, &names).unwrap();
        assert_eq!(ranges.0, [[0., 4.], [10., 30.]]);
        assert_eq!(ranges.to_coordinates(&[1., 20., 4., 10.]), [-0.5, 0., 1., -1.]);
        let values = Ranges(vec![[-1., 3.]]);
        assert_eq!(values.from_values(&values.to_values(&[-1., 0., 3., 7.])), [-1., 0., 3., 7.]);
        assert!(Ranges::of(&[1., 2., 1., 3.], &names).unwrap_err().to_string().contains("`lon`"));
    }

    #[test]
    fn what_is_no_field_is_refused_by_line_and_column() {
        for (from, to, words) in [
            ("a,0,20,1.5,0", "a,zero,20,1.5,0", &["line 3", "`lon`", "`zero`", "coordinate"][..]),
            ("b,2,30,2.5,1", "b,2,30,,1", &["line 4", "`wind`", "value is missing"]),
            ("b,2,30,2.5,1", "b,2,30,nan,1", &["line 4", "`wind`", "missing"]),
            ("b,2,30,2.5,1", "b,2,30,1e999,1", &["line 4", "`wind`", "no number"]),
            ("b,2,30,2.5,1", ",2,30,2.5,1", &["line 4", "`station`", "id is missing"]),
            ("b,2,30,2.5,1", "c,2,30,2.5,1", &["line 2", "field `b`", "single point"]),
            ("station", "place", &["`task.id_column`", "`station`"]),
        ] {
            let text = read(&TEXT.replace(from, to), &["wind"]).unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        for (values, words) in [
            (&["lat"][..], &["`task.values`", "taken"][..]),
            (&[], &["`task.values`", "is needed", "`rain`"]),
        ] {
            let text = read(TEXT, values).unwrap_err().to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }
}
