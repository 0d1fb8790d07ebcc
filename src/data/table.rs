//! Tables of text: a header, rows of numbers, and perhaps a column of labels.

use super::set::hex;
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// The rows of a CSV file, as they stand there.
#[derive(Clone, Debug, PartialEq)]
pub struct RowTable {
    /// The file; of generated rows, a name.
    pub path: PathBuf,
    /// Names of the numeric columns, in the file's order.
    pub features: Vec<String>,
    /// `[rows, features]`.
    pub values: Vec<f64>,
    /// A label a row; none if the file has no such column.
    pub labels: Option<Vec<String>>,
    /// The line that each row begins at, from 1; the header is the first.
    pub lines: Vec<u64>,
    /// SHA-256 of the file's bytes.
    pub sha256: String,
}

impl RowTable {
    /// Rows that the program makes itself, the same every time: each class a cloud around a point of its own, with
    /// `spread` as the noise's half width (centres lie within ± 1).
    #[must_use]
    pub fn generate(classes: usize, rows: usize, features: usize, spread: f64) -> Self {
        let (mut values, mut labels, mut digest) = (Vec::new(), Vec::new(), Sha256::new());
        let draw = |words: &mut Philox, half: f64| half * (2.0 * words.random::<f64>() - 1.0);
        for class in 0..classes {
            let mut words = Philox::stream(0, Purpose::Data, 0, class as u32);
            let centre: Vec<_> = (0..features).map(|_| draw(&mut words, 1.0)).collect();
            for _ in 0..rows {
                values.extend(centre.iter().map(|c| c + draw(&mut words, spread)));
                labels.push(format!("class {class:02}"));
            }
        }
        values.iter().for_each(|v: &f64| digest.update(v.to_le_bytes()));
        Self {
            path: PathBuf::from("generated rows"),
            features: (0..features).map(|f| format!("x{f}")).collect(),
            lines: (0..labels.len() as u64).map(|row| row + 2).collect(),
            values,
            labels: Some(labels),
            sha256: hex(&digest.finalize()),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none; a file always has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The values with the columns in the order of `features`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the columns that are missing or too many.
    pub fn in_order(&self, features: &[String]) -> Result<Vec<f64>> {
        let without = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|name| !other.contains(name)).map(|name| format!("`{name}`")).collect()
        };
        let (missing, extra) = (without(features, &self.features), without(&self.features, features));
        if !missing.is_empty() || !extra.is_empty() {
            let mut reason = "does not have the columns of the training rows:".to_owned();
            for (what, names) in [("missing", missing), ("not among them", extra)] {
                if !names.is_empty() {
                    reason += &format!(" {what} {};", names.join(", "));
                }
            }
            return Err(Error::file(&self.path, reason.trim_end_matches(';')));
        }
        let places: Vec<_> =
            features.iter().filter_map(|name| self.features.iter().position(|own| own == name)).collect();
        let rows = self.values.chunks_exact(self.features.len());
        Ok(rows.flat_map(|row| places.iter().map(|&at| row[at])).collect())
    }
}
