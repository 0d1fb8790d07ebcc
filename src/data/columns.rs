//! What a trained table model must know of its columns: names, scaling, classes.

use super::RowTable;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The columns of training rows, kept beside a model so that new rows can be given to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Name of the column of labels.
    pub label: String,
    /// Columns that are passed over.
    pub ignore: Vec<String>,
    /// Names of the features, in the model's order.
    pub features: Vec<String>,
    /// The classes, sorted; a model's output is a place in this list.
    pub classes: Vec<String>,
    /// Mean of each feature over the training rows.
    pub mean: Vec<f64>,
    /// Standard deviation (n) of each; 0 of a constant column, which the model sees as 0 always.
    pub deviation: Vec<f64>,
}

impl Columns {
    /// The columns of `table`, scaled by the statistics of the rows `training`.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.label` if there are fewer than two classes, or so many that the
    /// labels can hardly be classes.
    pub fn of(
        table: &RowTable,
        label: &str,
        ignore: &[String],
        training: impl Iterator<Item = usize> + Clone,
    ) -> Result<Self> {
        let mut classes = table.labels.clone().unwrap_or_default();
        classes.sort_unstable();
        classes.dedup();
        if !(2..=1024).contains(&classes.len()) {
            let (file, found) = (table.path.display(), classes.len());
            let reason = match classes.first() {
                Some(only) if found == 1 => {
                    format!("is `{label}`, which is `{only}` in every row of {file}; two classes are needed")
                }
                _ => format!(
                    "is `{label}`, which has {found} different values in {file}; 2 to 1024 classes are possible"
                ),
            };
            return Err(Error::recipe("task.label", reason));
        }
        let width = table.features.len();
        let n = training.clone().count().max(1) as f64;
        let (mut mean, mut deviation) = (vec![0.0; width], vec![0.0; width]);
        for f in 0..width {
            let column = || training.clone().map(|row| table.values[row * width + f]);
            let centre = column().sum::<f64>() / n;
            let spread = (column().map(|v| (v - centre).powi(2)).sum::<f64>() / n).sqrt();
            // What rounding leaves of a constant is no spread.
            (mean[f], deviation[f]) = (centre, if spread > 1e-12 * centre.abs() { spread } else { 0.0 });
        }
        let (label, ignore) = (label.to_owned(), ignore.to_vec());
        Ok(Self { label, ignore, features: table.features.clone(), classes, mean, deviation })
    }

    /// Rows as the model sees them, `[rows, features]`.
    ///
    /// # Errors
    /// As [`RowTable::in_order`].
    pub fn inputs(&self, table: &RowTable) -> Result<Vec<f32>> {
        let mut values = table.in_order(&self.features)?;
        for row in values.chunks_exact_mut(self.features.len()) {
            for ((v, mean), deviation) in row.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *v = if *deviation > 0.0 { (*v - mean) / deviation } else { 0.0 };
            }
        }
        Ok(values.into_iter().map(|v| v as f32).collect())
    }

    /// The classes of a table's rows, by their places among [`Columns::classes`]; nothing if it has no labels.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the line of a label that is none of them.
    pub fn labels(&self, table: &RowTable) -> Result<Option<Vec<usize>>> {
        let Some(labels) = &table.labels else { return Ok(None) };
        let place = |(label, line): (&String, &u64)| {
            self.classes.binary_search(label).map_err(|_| {
                let known = self.classes.join(", ");
                let reason = format!(
                    "line {line}, column `{}`: `{label}` is no class of the training rows: {known}",
                    self.label
                );
                Error::file(&table.path, reason)
            })
        };
        labels.iter().zip(&table.lines).map(place).collect::<Result<_>>().map(Some)
    }

    /// As TOML, which keeps every digit.
    ///
    /// # Errors
    /// None that columns can cause.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::failed(format!("columns that TOML cannot hold: {e}")))
    }

    /// Reads what [`Columns::to_toml`] wrote.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming it.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
        let columns: Self =
            toml::from_str(&text).map_err(|e| Error::file_caused(path, "does not describe columns", e))?;
        let (features, statistics) = (columns.features.len(), [columns.mean.len(), columns.deviation.len()]);
        if features == 0 || statistics != [features; 2] || !columns.classes.is_sorted() {
            return Err(Error::file(path, "does not describe columns: its lists do not fit one another"));
        }
        Ok(columns)
    }
}
