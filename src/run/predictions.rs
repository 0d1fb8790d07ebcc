//! What a table's model predicts for rows, as a file.

use crate::data::{Columns, Target};
use crate::error::Result;
use crate::file::write_atomic;
use std::path::Path;

/// Predictions for rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Numbers of the rows in their file, from 1.
    pub numbers: Vec<usize>,
    /// What is predicted for them.
    pub of: Predicted,
}

/// What is predicted for rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// Classes.
    Classes {
        /// The classes, sorted.
        classes: Vec<String>,
        /// `[rows, classes]`.
        probabilities: Vec<f64>,
    },
    /// Numbers.
    Numbers {
        /// The column that they belong to.
        target: String,
        /// One a row.
        values: Vec<f64>,
    },
}

impl Predictions {
    pub(super) fn of(columns: &Columns, numbers: &[usize], outputs: &[f32]) -> Self {
        let of = match &columns.target {
            Target::Classes { classes } => Predicted::Classes {
                classes: classes.clone(),
                probabilities: outputs.chunks_exact(classes.len()).flat_map(softmax).collect(),
            },
            Target::Number { mean, deviation } => Predicted::Numbers {
                target: columns.label.clone(),
                values: outputs.iter().map(|&output| mean + deviation * f64::from(output)).collect(),
            },
        };
        Self { numbers: numbers.to_vec(), of }
    }

    /// As CSV: `row`, `class`, and for each class its probability; or `row` and the number.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",") + "\n"
        };
        let mut text = String::new();
        match &self.of {
            Predicted::Classes { classes, probabilities } => {
                let head = ["row".to_owned(), "class".to_owned()].into_iter();
                text += &line(&mut head.chain(classes.iter().map(|class| format!("p_{class}"))));
                for (number, row) in self.numbers.iter().zip(probabilities.chunks_exact(classes.len())) {
                    let cells = [number.to_string(), classes[largest(row)].clone()].into_iter();
                    text += &line(&mut cells.chain(row.iter().map(|p| format!("{p:.6}"))));
                }
            }
            Predicted::Numbers { target, values } => {
                text += &line(&mut ["row".to_owned(), target.clone()].into_iter());
                for (number, value) in self.numbers.iter().zip(values) {
                    // As many digits as float32 has.
                    text += &format!("{number},{}\n", *value as f32);
                }
            }
        }
        text
    }

    /// Writes [`Predictions::to_csv`], whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_csv().as_bytes())
    }
}

/// A cell of a CSV file, in quotes where it needs them.
pub(super) fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// The first of the largest.
pub(super) fn largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn softmax(outputs: &[f32]) -> Vec<f64> {
    let top = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<_> = outputs.iter().map(|&o| f64::from(o - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}
