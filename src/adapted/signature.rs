//! What goes into a model and what comes out of it, in the units of the files that people have.

use super::field_form::FieldForm;
use crate::data::{Columns, Dialect, PictureForm, SeriesColumns, Target};
use crate::error::{Error, Result};
use crate::model::Model;
use serde::{Deserialize, Serialize};

/// What goes in and comes out, with its scaling: a kind of tasks each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Signature {
    /// Points: numbers to numbers, as they are.
    Points(PointColumns),
    /// Series: a window of values to the value that follows.
    Series(SeriesForm),
    /// Pictures to classes.
    Images(ImageForm),
    /// Rows of a table to classes or numbers.
    Table(Columns),
    /// Places to values: a field.
    Field(FieldForm),
}

/// Names of numbers that go in and come out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointColumns {
    /// What goes in.
    pub inputs: Vec<String>,
    /// What comes out.
    pub outputs: Vec<String>,
}

/// How series are read and scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesForm {
    /// Values a window.
    pub window: usize,
    /// The scale that the model sees them in.
    pub scale: SeriesScale,
    /// Values that follow which are forecast unless others are asked for.
    pub ahead: usize,
    /// Where a file says what.
    pub columns: SeriesColumns,
    /// How a file is read.
    pub dialect: Dialect,
}

/// The scale that a model sees series in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesScale {
    /// As they are.
    None,
    /// Each less its own mean and over its own deviation.
    Own,
    /// Less this mean and over this deviation: those of the series that the model was adapted to.
    Of {
        /// The mean.
        mean: f64,
        /// The standard deviation (n), above 0.
        deviation: f64,
    },
}

/// How pictures are read, and what they are told apart as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageForm {
    /// How pictures are read.
    pub pictures: PictureForm,
    /// The classes in the order of the outputs; empty until a task names them.
    pub classes: Vec<String>,
}

impl Signature {
    /// Its kind, as files have it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Points(_) => "points",
            Self::Series(_) => "series",
            Self::Images(_) => "images",
            Self::Table(_) => "table",
            Self::Field(_) => "field",
        }
    }

    /// The classes in the order of the outputs; none where numbers come out, or before a task names them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Images(images) => &images.classes,
            Self::Table(columns) => columns.classes(),
            Self::Points(_) | Self::Series(_) | Self::Field(_) => &[],
        }
    }

    /// Whether outputs stand for classes.
    #[must_use]
    pub fn is_classification(&self) -> bool {
        match self {
            Self::Images(_) => true,
            Self::Table(columns) => matches!(columns.target, Target::Classes { .. }),
            Self::Points(_) | Self::Series(_) | Self::Field(_) => false,
        }
    }

    /// Checks that it is of a model.
    ///
    /// # Errors
    /// [`Failed`](crate::ErrorKind::Failed) naming what does not fit.
    pub(super) fn check(&self, model: &Model) -> Result<()> {
        let (inputs, exact) = match self {
            Self::Points(columns) => (columns.inputs.len(), Some(columns.outputs.len())),
            Self::Series(series) => (series.window, Some(1)),
            Self::Images(images) => {
                images.pictures.check()?;
                (images.pictures.len(), None)
            }
            Self::Field(form) => (form.coordinates.len() * form.samples, Some(form.values.len())),
            Self::Table(columns) => {
                (columns.width(), (!self.is_classification()).then_some(columns.outputs()))
            }
        };
        let classes = self.classes().len();
        if model.inputs() != inputs
            || exact.is_some_and(|outputs| outputs != model.outputs())
            || classes > model.outputs()
        {
            return Err(Error::failed(format!(
                "a task of {} with {inputs} inputs and {} outputs does not fit a model from {} to {}",
                self.kind(),
                exact.unwrap_or(classes),
                model.inputs(),
                model.outputs()
            )));
        }
        let spread = match self {
            Self::Series(SeriesForm { scale: SeriesScale::Of { mean, deviation }, .. })
            | Self::Table(Columns { target: Target::Number { mean, deviation }, .. }) => {
                mean.is_finite() && deviation.is_finite() && *deviation > 0.0
            }
            Self::Field(form) => form.is_sound(),
            Self::Points(_) | Self::Series(_) | Self::Images(_) | Self::Table(_) => true,
        };
        match spread {
            true => Ok(()),
            false => Err(Error::failed("a task whose scale is no finite number above 0")),
        }
    }
}
