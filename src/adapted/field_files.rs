//! Fields out of files: points with their values, pictures, places to be asked for.

use super::examples::Examples;
use super::field_form::FieldForm;
use super::inputs::{Inputs, number};
use crate::data::{Dialect, PictureForm, Sheet};
use crate::error::Result;
use std::path::Path;

/// Ends of names of pictures.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

impl FieldForm {
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
