//! What a trained table model must know of its columns: which they are, how each is coded, what is predicted.

use super::sheet::{Dialect, Sheet, listed, shown};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The columns of training rows, kept beside a model so that new rows can be given to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Name of the column of labels, or of the numbers that are predicted.
    pub label: String,
    /// Whether the training file names its columns; else they go by their numbers.
    pub named: bool,
    /// What becomes of cells without a value.
    pub missing: MissingCells,
    /// Words that stand for no value, besides those that always do.
    #[serde(default)]
    pub missing_values: Vec<String>,
    /// Columns that are passed over.
    pub ignore: Vec<String>,
    /// What is predicted.
    pub target: Target,
    /// The features, in the model's order.
    pub features: Vec<Feature>,
}

/// What becomes of cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingCells {
    /// They are an error.
    #[default]
    Refuse,
    /// A number takes the median of the training rows and, if any of those had none, a further input says that it was missing; a
    /// category is none of its values.
    Median,
    /// Their rows are left out.
    Drop,
}

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// One of these, sorted; a model's output is a place in this list.
    Classes {
        /// Their names.
        classes: Vec<String>,
    },
    /// A number, which the model gives less the mean and over the deviation.
    Number {
        /// Mean over the training rows.
        mean: f64,
        /// Standard deviation (n) over them.
        deviation: f64,
    },
}

/// A column and how it is coded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its coding.
    #[serde(flatten)]
    pub coding: Coding,
}

/// How a column is coded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Coding {
    /// One input, less the mean and over the deviation of the training rows.
    Number {
        /// Mean.
        mean: f64,
        /// Standard deviation (n); 0 of a constant column, which the model sees as 0 always.
        deviation: f64,
        /// What stands for a missing value.
        #[serde(skip_serializing_if = "Option::is_none")]
        median: Option<f64>,
        /// Whether a further input says that the value was missing.
        flagged: bool,
    },
    /// An input for each of these values, 1 where the cell holds it, else 0.
    Category {
        /// The values.
        values: Vec<String>,
    },
}

impl Coding {
    /// Inputs of the model that the column becomes.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Number { flagged, .. } => 1 + usize::from(*flagged),
            Self::Category { values } => values.len(),
        }
    }
}

/// Rows as a model sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coded {
    /// `[rows, inputs]`.
    pub x: Vec<f32>,
    /// The number of each row in its file, from 1, the header not counted.
    pub numbers: Vec<usize>,
    /// Rows left out since a cell is missing.
    pub dropped: usize,
    /// Cells that hold a category which no training row had, by column: those columns, with a value.
    pub unknown: Vec<(String, String)>,
}

impl Columns {
    /// Inputs of the model.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.iter().map(|feature| feature.coding.width()).sum()
    }

    /// Outputs of the model.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match &self.target {
            Target::Classes { classes } => classes.len(),
            Target::Number { .. } => 1,
        }
    }

    /// The classes; none where a number is predicted.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        match &self.target {
            Target::Classes { classes } => classes,
            Target::Number { .. } => &[],
        }
    }

    /// Names that a file of such rows has.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        if !self.named {
            return Vec::new();
        }
        self.features.iter().map(|feature| feature.name.clone()).chain([self.label.clone()]).collect()
    }

    /// How new rows are read: words for no value as those of training, the rest told from the file.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let header = (!self.named).then_some(false);
        Dialect { missing_values: self.missing_values.clone(), header, ..Dialect::default() }
    }

    /// Codes rows of a sheet whose columns may stand in any order, among others. `rows` are places in the sheet.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming columns that are missing, or line and column of a cell that cannot be coded.
    pub fn code(&self, sheet: &Sheet, rows: impl Iterator<Item = usize>) -> Result<Coded> {
        let places = self.places(sheet)?;
        let mut coded = Coded::default();
        let mut inputs = Vec::with_capacity(self.width());
        for row in rows {
            inputs.clear();
            let mut whole = true;
            for (feature, &column) in self.features.iter().zip(&places) {
                whole &= self.code_cell(sheet, (row, column), feature, &mut inputs, &mut coded.unknown)?;
            }
            if whole {
                coded.x.extend_from_slice(&inputs);
                coded.numbers.push(row + 1);
            } else {
                coded.dropped += 1;
            }
        }
        Ok(coded)
    }

    /// Appends the inputs of a cell; false if its row is to be left out.
    fn code_cell(
        &self,
        sheet: &Sheet,
        (row, column): (usize, usize),
        feature: &Feature,
        inputs: &mut Vec<f32>,
        unknown: &mut Vec<(String, String)>,
    ) -> Result<bool> {
        let value = sheet.value(row, column);
        let absent = match &feature.coding {
            Coding::Number { median, .. } => value.is_none() && median.is_none(),
            Coding::Category { .. } => value.is_none() && self.missing != MissingCells::Median,
        };
        if absent {
            let reason = "has no value; fill it in, or learn with --set task.missing=median or drop, which takes such rows";
            return match self.missing {
                MissingCells::Refuse | MissingCells::Median => Err(sheet.wrong(row, column, reason)),
                MissingCells::Drop => Ok(false),
            };
        }
        match &feature.coding {
            Coding::Number { mean, deviation, median, flagged } => {
                let number = match value {
                    Some(_) => number(sheet, row, column)?,
                    None => median.unwrap_or(*mean),
                };
                let scaled = if *deviation > 0.0 { (number - mean) / deviation } else { 0.0 };
                inputs.push(scaled as f32);
                if *flagged {
                    inputs.push(f32::from(u8::from(value.is_none())));
                }
            }
            Coding::Category { values } => {
                let place = value.and_then(|value| values.iter().position(|known| known == value));
                if let (Some(value), None) = (value, place)
                    && !unknown.iter().any(|(name, _)| *name == feature.name)
                {
                    unknown.push((feature.name.clone(), value.to_owned()));
                }
                inputs.extend((0..values.len()).map(|at| f32::from(u8::from(Some(at) == place))));
            }
        }
        Ok(true)
    }

    fn places(&self, sheet: &Sheet) -> Result<Vec<usize>> {
        let missing: Vec<_> = self
            .features
            .iter()
            .map(|f| f.name.as_str())
            .filter(|name| sheet.place(name).is_none())
            .collect();
        if !missing.is_empty() {
            let reason = format!(
                "does not have the columns of the training rows: missing {}; its columns are {}",
                listed(&missing),
                listed(&sheet.columns)
            );
            return Err(Error::file(&sheet.path, reason));
        }
        Ok(self.features.iter().filter_map(|feature| sheet.place(&feature.name)).collect())
    }

    /// What is to be predicted for rows of a sheet: places among the classes, or scaled numbers; nothing if the sheet has no
    /// such column, or no value in it.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the line of a label that is no class, or of a number that is none.
    pub fn targets(&self, sheet: &Sheet, numbers: &[usize]) -> Result<Option<Vec<f32>>> {
        let Some(column) = sheet.place(&self.label) else { return Ok(None) };
        if (0..sheet.len()).all(|row| sheet.value(row, column).is_none()) {
            return Ok(None);
        }
        let target = |&number: &usize| self.target(sheet, number - 1, column);
        numbers.iter().map(target).collect::<Result<_>>().map(Some)
    }

    /// The labels of a sheet's rows, once each, sorted: classes of a task of its own. Numbers are written in one way.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if the sheet has no such column or no value in it.
    pub fn labels(&self, sheet: &Sheet) -> Result<Vec<String>> {
        let place = sheet.place(&self.label);
        let column = place.ok_or_else(|| {
            let reason = format!(
                "has no column `{}` of labels; its columns are {}",
                shown(&self.label),
                listed(&sheet.columns)
            );
            Error::file(&sheet.path, reason)
        })?;
        let cells: Vec<_> = (0..sheet.len()).filter_map(|row| sheet.value(row, column)).collect();
        let numbers = || (0..sheet.len()).filter(|&row| sheet.value(row, column).is_some());
        let as_numbers: Option<Vec<_>> =
            numbers().map(|row| sheet.number(row, column).ok().flatten().map(canonical)).collect();
        let mut labels = as_numbers.unwrap_or_else(|| cells.iter().map(|&cell| cell.to_owned()).collect());
        labels.sort_unstable();
        labels.dedup();
        match labels.is_empty() {
            true => {
                Err(Error::file(&sheet.path, format!("has no label in the column `{}`", shown(&self.label))))
            }
            false => Ok(labels),
        }
    }

    fn target(&self, sheet: &Sheet, row: usize, column: usize) -> Result<f32> {
        let Some(value) = sheet.value(row, column) else {
            return Err(sheet.wrong(row, column, "is missing; fill it in, or remove the row"));
        };
        match &self.target {
            Target::Classes { classes } => {
                let place = classes.iter().position(|class| class == value).or_else(|| {
                    let canonical = canonical(sheet.number(row, column).ok().flatten()?);
                    classes.iter().position(|class| *class == canonical)
                });
                let foreign = || {
                    let reason =
                        format!("`{}` is no class of the training rows: {}", shown(value), listed(classes));
                    sheet.wrong(row, column, &reason)
                };
                place.map(|place| place as f32).ok_or_else(foreign)
            }
            Target::Number { mean, deviation } => {
                Ok(((number(sheet, row, column)? - mean) / deviation) as f32)
            }
        }
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
        let spread = match &columns.target {
            Target::Classes { classes } => classes.len() > 1,
            Target::Number { deviation, .. } => *deviation > 0.0,
        };
        if columns.width() == 0 || !spread {
            return Err(Error::file(path, "does not describe columns: no feature, or nothing to predict"));
        }
        Ok(columns)
    }
}

/// A number's one text, so that `0`, `0.0` and `00` are one class.
pub(super) fn canonical(number: f64) -> String {
    // No negative zero.
    (number + 0.0).to_string()
}

/// A cell of a column of numbers.
pub(super) fn number(sheet: &Sheet, row: usize, column: usize) -> Result<f64> {
    let text = shown(sheet.cell(row, column));
    match sheet.number(row, column)? {
        Some(number) if (number as f32).is_finite() => Ok(number),
        Some(_) => Err(sheet.wrong(row, column, &format!("`{text}` is not a finite number"))),
        None if ["inf", "infinity"]
            .contains(&text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str()) =>
        {
            Err(sheet.wrong(row, column, &format!("`{text}` is not a finite number")))
        }
        None => {
            let name = shown(&sheet.columns[column]);
            let what = format!(
                "`{text}` is not a number; if it stands for no value, empty the cell, or train with --set \
                 'task.missing_values=[\"{text}\"]'; --set 'task.ignore=[\"{name}\"]' leaves the column out"
            );
            Err(sheet.wrong(row, column, &what))
        }
    }
}

/// A cell of the column of numbers that are predicted.
pub(super) fn target_number(sheet: &Sheet, row: usize, column: usize) -> Result<f64> {
    let (text, name) = (sheet.cell(row, column), shown(&sheet.columns[column]));
    if sheet.number(row, column)?.is_some() || text.to_ascii_lowercase().contains("inf") {
        return number(sheet, row, column);
    }
    let text = shown(text);
    let reason = format!(
        "`{text}` is not a number, and numbers are predicted; --label {name} learns classes; if it stands for no value, --set \
         'task.missing_values=[\"{text}\"]'"
    );
    Err(sheet.wrong(row, column, &reason))
}

/// The refusal of a cell without a value, with the ways on.
pub(super) fn missing_cell(sheet: &Sheet, row: usize, column: usize) -> Error {
    let cell = sheet.cell(row, column);
    let what = if cell.is_empty() {
        "is empty".to_owned()
    } else {
        format!("`{}` stands for no value", shown(cell))
    };
    sheet.wrong(
        row,
        column,
        &format!(
            "{what}; --set task.missing=median fills such cells in and marks them, --set task.missing=drop leaves their rows out, \
             and --set 'task.ignore=[\"{}\"]' the column",
            shown(&sheet.columns[column])
        ),
    )
}
