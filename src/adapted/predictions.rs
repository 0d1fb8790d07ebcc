//! What is predicted, as a file.

use crate::data::{Columns, Target};

/// Predictions for examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Columns that say which example it is: `row`, `picture`, or what goes in of a point.
    pub head: Vec<String>,
    /// Their cells for each example.
    pub examples: Vec<Vec<String>>,
    /// What is predicted for them.
    pub of: Predicted,
}

/// What is predicted for examples.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicted {
    /// Classes.
    Classes {
        /// The classes, in the order of the outputs.
        classes: Vec<String>,
        /// `[examples, classes]`.
        probabilities: Vec<f64>,
    },
    /// Numbers.
    Numbers {
        /// The columns that they belong to.
        targets: Vec<String>,
        /// `[examples, targets]`.
        values: Vec<f64>,
    },
}

impl Predicted {
    /// Probabilities of classes from outputs, of which a model may have more than there are classes.
    pub(super) fn classes(classes: &[String], outputs: &[f32], width: usize) -> Self {
        let each = outputs.chunks_exact(width).flat_map(|row| softmax(&row[..classes.len()]));
        Self::Classes { classes: classes.to_vec(), probabilities: each.collect() }
    }

    /// What the columns of a table make of outputs.
    pub(super) fn of_table(columns: &Columns, outputs: &[f32], width: usize) -> Self {
        match &columns.target {
            Target::Classes { classes } => Self::classes(classes, outputs, width),
            Target::Number { mean, deviation } => Self::Numbers {
                targets: vec![columns.label.clone()],
                values: outputs.iter().map(|&output| mean + deviation * f64::from(output)).collect(),
            },
        }
    }
}

impl Predictions {
    /// How many examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// As CSV: the example, and `class` with a column for each class's probability, or the numbers.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            text += &cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",");
            text.push('\n');
        };
        match &self.of {
            Predicted::Classes { classes, probabilities } => {
                let named = classes.iter().map(|class| format!("p_{class}"));
                line(self.head.iter().cloned().chain(["class".to_owned()]).chain(named).collect());
                for (example, row) in self.examples.iter().zip(probabilities.chunks_exact(classes.len())) {
                    let class = [classes[largest(row)].clone()].into_iter();
                    let shares = row.iter().map(|p| format!("{p:.6}"));
                    line(example.iter().cloned().chain(class).chain(shares).collect());
                }
            }
            Predicted::Numbers { targets, values } => {
                line(self.head.iter().chain(targets).cloned().collect());
                for (example, row) in self.examples.iter().zip(values.chunks_exact(targets.len())) {
                    // As many digits as float32 has.
                    let values = row.iter().map(|&value| (value as f32).to_string());
                    line(example.iter().cloned().chain(values).collect());
                }
            }
        }
        text
    }
}

/// A cell of a CSV file, in quotes where it needs them.
pub(crate) fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// The first of the largest.
pub(crate) fn largest<T: PartialOrd>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best })
}

fn softmax(outputs: &[f32]) -> Vec<f64> {
    let top = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<_> = outputs.iter().map(|&o| f64::from(o - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}
