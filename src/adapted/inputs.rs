//! What is to be predicted, read from files, and the answers.

use super::Adapted;
use super::answers::Answers;
use super::forecast::{Forecasts, go_on, long_enough};
use super::predictions::{Predicted, Predictions};
use super::signature::{PointColumns, Signature};
use crate::data::{Columns, Dialect, SeriesSet, Sheet, counted, listed, shown};
use crate::error::{Error, Result};
use crate::meta::Backend;
use std::path::Path;

/// What is to be predicted.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// Points, rows or pictures.
    Examples {
        /// Columns that say which example it is.
        head: Vec<String>,
        /// Their cells for each example.
        examples: Vec<Vec<String>>,
        /// `[examples, inputs]`, as the model sees them.
        x: Vec<f32>,
        /// What a person should know of how they were read, a line each.
        notes: Vec<String>,
    },
    /// Series that go on.
    Series(SeriesSet),
}

impl Inputs {
    /// What a person should know of how they were read, a line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Examples { notes, .. } => notes,
            Self::Series(set) => &set.notes,
        }
    }
}

/// A number of a cell that must be one.
pub(super) fn number(sheet: &Sheet, row: usize, column: usize) -> Result<f32> {
    let found = sheet.number(row, column)?.map(|number| number as f32).filter(|number| number.is_finite());
    found.ok_or_else(|| {
        sheet.wrong(row, column, &format!("`{}` is no finite number", shown(sheet.cell(row, column))))
    })
}

impl PointColumns {
    /// Reads a file of points; the places of the columns of what goes in and, where they are needed, of what comes out.
    pub(super) fn sheet(&self, path: &Path, with_outputs: bool) -> Result<(Sheet, Vec<usize>, Vec<usize>)> {
        let names = [&self.inputs[..], &self.outputs].concat();
        let sheet = Sheet::read(path, &Dialect::default(), &names, None)?;
        let needed = if with_outputs { &names[..] } else { &self.inputs };
        let place = |name: &String| sheet.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let places: Option<Vec<_>> = needed.iter().map(place).collect();
        // Without names columns stand in the order of these.
        let in_order =
            || (!sheet.named && sheet.columns.len() >= needed.len()).then(|| (0..needed.len()).collect());
        let places = places.or_else(in_order).ok_or_else(|| {
            let reason =
                format!("needs the columns {}; its columns are {}", listed(needed), listed(&sheet.columns));
            Error::file(path, reason)
        })?;
        let (inputs, outputs) = places.split_at(self.inputs.len());
        let (inputs, outputs) = (inputs.to_vec(), outputs.to_vec());
        Ok((sheet, inputs, outputs))
    }

    fn inputs(&self, path: &Path) -> Result<Inputs> {
        let (sheet, places, _) = self.sheet(path, false)?;
        let (mut x, mut examples) = (Vec::new(), Vec::new());
        for row in 0..sheet.len() {
            for &column in &places {
                x.push(number(&sheet, row, column)?);
            }
            examples.push(places.iter().map(|&column| sheet.cell(row, column).to_owned()).collect());
        }
        Ok(Inputs::Examples { head: self.inputs.clone(), examples, x, notes: sheet.notes })
    }
}

fn rows(columns: &Columns, path: &Path) -> Result<Inputs> {
    let sheet = Sheet::read(path, &columns.dialect(), &columns.names(), None)?;
    let coded = columns.code(&sheet, 0..sheet.len())?;
    if coded.numbers.is_empty() {
        return Err(Error::file(path, "has no row without a missing value"));
    }
    let mut notes = sheet.notes.clone();
    notes.extend(coded.unknown.iter().map(|(column, value)| {
        format!(
            "`{}` has values that no training row had, e.g. `{}`: they count as none of its values",
            shown(column),
            shown(value)
        )
    }));
    if coded.dropped > 0 {
        notes.push(format!("{} left out since a value is missing", counted(coded.dropped, "row")));
    }
    let examples = coded.numbers.iter().map(|number| vec![number.to_string()]).collect();
    Ok(Inputs::Examples { head: vec!["row".to_owned()], examples, x: coded.x, notes })
}

impl Signature {
    /// Reads what is to be predicted: points and rows as a file of text, series as such a file or a folder of them, pictures
    /// as a folder of them, at any depth, or a single one.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file, line and column, or the picture, that is not as it should be.
    pub fn inputs(&self, path: &Path) -> Result<Inputs> {
        match self {
            Self::Points(columns) => columns.inputs(path),
            Self::Table(columns) => rows(columns, path),
            Self::Field(form) => form.inputs(path),
            Self::Series(series) => series.read(path).map(Inputs::Series),
            Self::Images(images) => {
                let pictures = images.pictures.read(path)?;
                let skipped = (pictures.skipped > 0)
                    .then(|| format!("passed over, as no pictures: {}", counted(pictures.skipped, "file")));
                Ok(Inputs::Examples {
                    head: vec!["picture".to_owned()],
                    x: pictures.values(),
                    examples: pictures.names.into_iter().map(|name| vec![name]).collect(),
                    notes: skipped.into_iter().collect(),
                })
            }
        }
    }
}

impl Adapted {
    /// Predicts each of the inputs by itself; of series the `ahead` values that follow.
    ///
    /// # Errors
    /// As [`Adapted::outputs`]; [`File`](crate::ErrorKind::File) if no series has a window of values;
    /// [`Failed`](crate::ErrorKind::Failed) if no task has named the classes yet, or inputs are of another kind.
    pub fn predict(&self, device: &dyn Backend, inputs: &Inputs, ahead: usize) -> Result<Answers> {
        match (inputs, &self.signature) {
            (Inputs::Series(set), Signature::Series(form)) => {
                let (mut group, short) = long_enough(set, form.scale, form.window)?;
                go_on(&mut group, ahead, &mut |group| {
                    let last: Vec<_> =
                        group.iter().flat_map(|going| going.last(form.window)).copied().collect();
                    self.outputs(device, &last)
                })?;
                Ok(Answers::Ahead(Forecasts::of(set, group, short, ahead)))
            }
            (Inputs::Examples { head, examples, x, .. }, signature) => {
                let of = self.predicted(signature, &self.outputs(device, x)?)?;
                let (head, examples) = (head.clone(), examples.clone());
                Ok(Answers::Examples(Predictions { head, examples, of }))
            }
            (
                Inputs::Series(_),
                Signature::Points(_) | Signature::Images(_) | Signature::Table(_) | Signature::Field(_),
            ) => Err(Error::failed(format!("series are no inputs of a task of {}", self.signature.kind()))),
        }
    }

    /// What outputs mean.
    pub(super) fn predicted(&self, signature: &Signature, outputs: &[f32]) -> Result<Predicted> {
        let width = self.model.outputs();
        let numbers = |targets: &[String]| Predicted::Numbers {
            targets: targets.to_vec(),
            values: outputs.iter().map(|&output| output.into()).collect(),
        };
        if signature.is_classification() && signature.classes().is_empty() {
            return Err(Error::failed(
                "the classes have no names before the model is adapted to a task: fastweights adapt RUN --support INPUT --out FILE",
            ));
        }
        Ok(match signature {
            Signature::Points(columns) => numbers(&columns.outputs),
            Signature::Series(_) => numbers(&["value".to_owned()]),
            Signature::Images(images) => Predicted::classes(&images.classes, outputs, width),
            Signature::Table(columns) => Predicted::of_table(columns, outputs, width),
            Signature::Field(form) => Predicted::Numbers {
                targets: form.values.clone(),
                values: form.value_ranges.from_values(outputs),
            },
        })
    }
}
