//! Fields: places and the values there, in the units of people's files.

use crate::data::{PictureForm, Ranges};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

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
}
