//! Fields: places and the values there, in the units of people's files.

use super::examples::Examples;
use super::inputs::{Inputs, number};
use crate::data::{Dialect, PictureForm, Ranges, Sheet};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What goes into a model of fields and comes out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldForm {
    /// Names of the coordinates.
    pub coordinates: Vec<String>,
    /// Their least and greatest, which are −1 and 1 to the model.
    pub coordinate_ranges: Ranges,
    /// Names of the values.
    pub values: Vec<String>,
    /// Their least and greatest, which are 0 and 1 to the model.
    pub value_ranges: Ranges,
    /// Places of a ray, where points are rays: a place goes in as a ray of no length. 1 where they are not.
    pub samples: usize,
    /// How a picture is read as a field, if fields are images; the second coordinate goes down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pictures: Option<PictureForm>,
}

/// Ends of names of pictures.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

impl FieldForm {
    /// Coordinates of the middle of the pixels of a square, row by row, in their units: `[size², 2]`.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `--size` if there are not two coordinates.
    pub fn grid(&self, size: usize) -> Result<Vec<f64>> {
        let [x, y] = self.coordinate_ranges.0[..] else {
            let count = self.coordinates.len();
            let reason =
                format!("draws fields of two coordinates; these have {count}: give places by --csv FILE");
            return Err(Error::recipe("--size", reason));
        };
        let middle =
            |[low, high]: [f64; 2], part: usize| low + (high - low) * (part as f64 + 0.5) / size as f64;
        Ok((0..size * size).flat_map(|pixel| [middle(x, pixel % size), middle(y, pixel / size)]).collect())
    }

    /// Places, `[places, coordinates]` in their units, as the model takes them.
    #[must_use]
    pub fn inputs_of(&self, places: &[f64]) -> Vec<f32> {
        let scaled = self.coordinate_ranges.to_coordinates(places);
        scaled.into_iter().flat_map(|coordinate| std::iter::repeat_n(coordinate, self.samples)).collect()
    }

    /// Whether it is of a model's inputs and outputs.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |names: &[String], ranges: &Ranges| {
            let ranges = &ranges.0;
            names.len() == ranges.len()
                && ranges.iter().all(|[low, high]| low < high && (high - low).is_finite())
        };
        sound(&self.coordinates, &self.coordinate_ranges) && sound(&self.values, &self.value_ranges)
    }

    fn sheet(&self, path: &Path, with_values: bool) -> Result<(Sheet, Vec<usize>)> {
        let names = [&self.coordinates[..], if with_values { &self.values } else { &[] }].concat();
        let sheet = Sheet::read(path, &Dialect::default(), &names, None)?;
        let places = names.iter().map(|name| sheet.find("columns", name)).collect::<Result<_>>()?;
        Ok((sheet, places))
    }

    /// Rows of numbers of some columns, `[rows, columns]`.
    fn numbers(sheet: &Sheet, columns: &[usize]) -> Result<Vec<f64>> {
        let cells = (0..sheet.len()).flat_map(|row| columns.iter().map(move |&column| (row, column)));
        cells.map(|(row, column)| number(sheet, row, column).map(f64::from)).collect()
    }

    /// Points of a file with coordinates and values, or the pixels of a picture.
    pub(super) fn examples(&self, path: &Path) -> Result<Examples> {
        let end = path.extension().map(|end| end.to_string_lossy().to_lowercase());
        if let (Some(form), true) = (&self.pictures, end.is_some_and(|end| PICTURES.contains(&&*end))) {
            return self.picture(path, form);
        }
        let (sheet, columns) = self.sheet(path, true)?;
        let (coordinates, values) = columns.split_at(self.coordinates.len());
        Ok(Examples {
            path: path.to_owned(),
            x: self.inputs_of(&Self::numbers(&sheet, coordinates)?),
            y: self.value_ranges.to_values(&Self::numbers(&sheet, values)?),
            points: sheet.len(),
            what: "points",
            notes: sheet.notes,
        })
    }

    fn picture(&self, path: &Path, form: &PictureForm) -> Result<Examples> {
        let values = form.read(path)?.values();
        let pixels = form.side * form.side;
        let y = (0..pixels).flat_map(|pixel| values.iter().skip(pixel).step_by(pixels)).copied().collect();
        let x = self.inputs_of(&self.grid(form.side)?);
        Ok(Examples { path: path.to_owned(), x, y, points: pixels, what: "pixels", notes: Vec::new() })
    }

    /// Places of a file with the columns of coordinates.
    pub(super) fn inputs(&self, path: &Path) -> Result<Inputs> {
        let (sheet, columns) = self.sheet(path, false)?;
        let cells = |row: usize| columns.iter().map(|&column| sheet.cell(row, column).to_owned()).collect();
        Ok(Inputs::Examples {
            head: self.coordinates.clone(),
            examples: (0..sheet.len()).map(cells).collect(),
            x: self.inputs_of(&Self::numbers(&sheet, &columns)?),
            notes: sheet.notes,
        })
    }
}
