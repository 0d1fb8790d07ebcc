//! Examples with their answers, read from files: what a model is adapted on, and what it is judged by.

use super::forecast::{Going, spread};
use super::inputs::number;
use super::signature::{ImageForm, PointColumns, SeriesForm, SeriesScale, Signature};
use crate::data::{Columns, SeriesSet, Sheet, Target, listed, shown};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Examples as a model sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// The file or folder.
    pub path: PathBuf,
    /// `[points, inputs]`.
    pub x: Vec<f32>,
    /// `[points, targets]` of numbers, `[points]` of classes.
    pub y: Vec<f32>,
    /// How many.
    pub points: usize,
    /// What they are called, e.g. `pictures`.
    pub what: &'static str,
    /// What a person should know of how they were read, a line each.
    pub notes: Vec<String>,
}

/// What reading of a support set is told.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Outputs of the model: as many classes at most.
    pub outputs: usize,
    /// Windows of a series to adapt on, at most.
    pub windows: usize,
    /// The series to adapt to, where there are several.
    pub series: Option<&'a str>,
}

impl Signature {
    /// Reads a support set: points and rows with their answers, one series, or a folder of class folders. Settles what depends
    /// on it: the order of classes, the scale of a series.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file, line and column, the class or the picture that is not as it should be.
    pub fn support(&mut self, path: &Path, choice: Choice<'_>) -> Result<Examples> {
        match self {
            Self::Points(columns) => columns.examples(path),
            Self::Series(form) => form.support(path, choice),
            Self::Images(form) => form.support(path, choice.outputs),
            Self::Field(form) => form.examples(path),
            Self::Table(columns) => {
                let sheet = Sheet::read(path, &columns.dialect(), &columns.names(), None)?;
                if let Target::Classes { classes } = &columns.target
                    && classes.is_empty()
                {
                    let classes = columns.labels(&sheet)?;
                    check_classes(path, &classes, choice.outputs)?;
                    columns.target = Target::Classes { classes };
                }
                rows(columns, &sheet)
            }
        }
    }

    /// Reads examples to be judged by; their classes are among those of the support set.
    ///
    /// # Errors
    /// As [`Signature::support`].
    pub fn query(&self, path: &Path) -> Result<Examples> {
        match self {
            Self::Points(columns) => columns.examples(path),
            Self::Series(form) => form.query(path),
            Self::Images(form) => form.query(path),
            Self::Field(form) => form.examples(path),
            Self::Table(columns) => {
                rows(columns, &Sheet::read(path, &columns.dialect(), &columns.names(), None)?)
            }
        }
    }
}

/// Refuses fewer than two classes, and more than a model can tell apart.
fn check_classes(path: &Path, classes: &[String], most: usize) -> Result<()> {
    let reason = match classes.len() {
        0 | 1 => format!("holds one class, {}; two are needed to tell apart", listed(classes)),
        count if count > most => format!(
            "holds {count} classes, {}; the model was trained to tell {most} apart (task.ways)",
            listed(classes)
        ),
        _ => return Ok(()),
    };
    Err(Error::file(path, reason))
}

impl PointColumns {
    fn examples(&self, path: &Path) -> Result<Examples> {
        let (sheet, inputs, outputs) = self.sheet(path, true)?;
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for row in 0..sheet.len() {
            for (places, to) in [(&inputs, &mut x), (&outputs, &mut y)] {
                for &column in places {
                    to.push(number(&sheet, row, column)?);
                }
            }
        }
        Ok(Examples { path: path.to_owned(), x, y, points: sheet.len(), what: "points", notes: sheet.notes })
    }
}

fn rows(columns: &Columns, sheet: &Sheet) -> Result<Examples> {
    let coded = columns.code(sheet, 0..sheet.len())?;
    let y = columns.targets(sheet, &coded.numbers)?.filter(|y| !y.is_empty());
    let y = y.ok_or_else(|| {
        let reason =
            format!("has no values in the column `{}`, which are needed here", shown(&columns.label));
        Error::file(&sheet.path, reason)
    })?;
    let mut notes = sheet.notes.clone();
    if coded.dropped > 0 {
        notes.push(format!("{} rows left out since a value is missing", coded.dropped));
    }
    Ok(Examples { path: sheet.path.clone(), x: coded.x, points: y.len(), y, what: "rows", notes })
}

impl SeriesForm {
    fn support(&mut self, path: &Path, choice: Choice<'_>) -> Result<Examples> {
        let set = self.read(path)?;
        let number = chosen(&set, choice.series)?;
        if self.scale == SeriesScale::Own {
            let (mean, deviation) = spread(&set.series[number].1);
            self.scale = SeriesScale::Of { mean, deviation };
        }
        // Later files go on with this series, whatever others they hold.
        self.windows(&set, number, choice.windows)
    }

    fn query(&self, path: &Path) -> Result<Examples> {
        let set = self.read(path)?;
        let number = chosen(&set, None)?;
        self.windows(&set, number, usize::MAX)
    }

    fn windows(&self, set: &SeriesSet, number: usize, most: usize) -> Result<Examples> {
        let going = Going::of(set, number, self.scale);
        let points = going.len().saturating_sub(self.window).min(most);
        if points == 0 {
            let reason = format!(
                "`{}` has {} values; at least {} are needed, a window (task.window) and the value that follows",
                shown(&set.series[number].0),
                going.len(),
                self.window + 1
            );
            return Err(Error::file(&set.path, reason));
        }
        let (x, y) = going.windows(self.window, points);
        Ok(Examples { path: set.path.clone(), x, y, points, what: "windows", notes: set.notes.clone() })
    }
}

/// The one series of a set, or that of this name.
fn chosen(set: &SeriesSet, name: Option<&str>) -> Result<usize> {
    let names: Vec<_> = set.series.iter().map(|(name, _)| name).collect();
    match (name, set.series.len()) {
        (None, 1) => Ok(0),
        (None, count) => {
            let reason = format!(
                "holds {count} series, {}; a model is adapted to one of them: --series NAME chooses it",
                listed(&names)
            );
            Err(Error::file(&set.path, reason))
        }
        (Some(name), _) => names.iter().position(|known| *known == name).ok_or_else(|| {
            let reason = format!("has no series `{}`; it holds {}", shown(name), listed(&names));
            Error::file(&set.path, reason)
        }),
    }
}

impl ImageForm {
    fn support(&mut self, path: &Path, outputs: usize) -> Result<Examples> {
        let found = self.pictures.read_classes(path)?;
        check_classes(path, &found.classes, outputs)?;
        self.classes.clone_from(&found.classes);
        self.examples(path, &found)
    }

    fn query(&self, path: &Path) -> Result<Examples> {
        self.examples(path, &self.pictures.read_classes(path)?)
    }

    fn examples(&self, path: &Path, found: &crate::data::PictureClasses) -> Result<Examples> {
        let place = |name: &String| self.classes.iter().position(|known| known == name);
        let foreign = || found.classes.iter().find(|name| place(name).is_none());
        let places: Option<Vec<_>> = found.classes.iter().map(place).collect();
        let places = places.ok_or_else(|| {
            let name = foreign().cloned().unwrap_or_default();
            let reason =
                format!("holds the class `{}`, which is none of {}", shown(&name), listed(&self.classes));
            Error::file(path, reason)
        })?;
        let skipped = found.pictures.skipped;
        let notes = (skipped > 0).then(|| format!("{skipped} files that are no pictures were passed over"));
        Ok(Examples {
            path: path.to_owned(),
            x: found.pictures.values(),
            y: found.labels.iter().map(|&label| places[label] as f32).collect(),
            points: found.labels.len(),
            what: "pictures",
            notes: notes.into_iter().collect(),
        })
    }
}
