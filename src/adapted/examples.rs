//! Examples with their answers, read from files: what a model is adapted on, and what it is judged by.

use super::forecast::{Going, spread};
use super::inputs::number;
use super::signature::{ImageForm, PointColumns, SeriesForm, SeriesScale, Signature};
use crate::data::{Columns, SeriesSet, Sheet, Target, counted, listed, shown};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use std::collections::BTreeMap;
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

impl Examples {
    /// Divides examples into those to adapt on and those held out, of each class this share, rounded. Which these are depends on
    /// the seed; of windows of a series the last ones, as they come later.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file if none is held out, or none of them or of a class is left.
    pub fn held_out(&self, share: f64, classes: bool, seed: u64) -> Result<(Self, Self)> {
        let width = self.y.len() / self.points.max(1);
        let ordered = self.what == "windows";
        let class = |point: usize| if classes && width == 1 { self.y[point].to_bits() } else { 0 };
        let mut groups = BTreeMap::<u32, Vec<usize>>::new();
        (0..self.points).for_each(|point| groups.entry(class(point)).or_default().push(point));
        let (mut kept, mut held) = (Vec::new(), Vec::new());
        for (group, mut points) in groups {
            let mut words = Philox::stream(seed, Purpose::Evaluate, 1, group);
            for i in 0..if ordered { 0 } else { points.len() } {
                let other = i + below(words.word(), (points.len() - i) as u32) as usize;
                points.swap(i, other);
            }
            let out = (share * points.len() as f64).round() as usize;
            if out == points.len() {
                let of = if classes { " of a class" } else { "" };
                let reason =
                    format!("has {out} {}{of}, and a share of {share} leaves none to adapt on", self.what);
                return Err(Error::file(&self.path, reason));
            }
            held.extend(points.split_off(points.len() - out));
            kept.extend(points);
        }
        if held.is_empty() {
            let reason =
                format!("has {} {}, of which a share of {share} holds out none", self.points, self.what);
            return Err(Error::file(&self.path, reason));
        }
        Ok((self.part(kept), self.part(held)))
    }

    /// These points of it, in their order.
    fn part(&self, mut points: Vec<usize>) -> Self {
        points.sort_unstable();
        let of = |values: &[f32]| -> Vec<f32> {
            let width = values.len() / self.points.max(1);
            points.iter().flat_map(|&point| &values[point * width..][..width]).copied().collect()
        };
        Self { x: of(&self.x), y: of(&self.y), points: points.len(), ..self.clone() }
    }
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
        notes.push(format!("{} left out since a value is missing", counted(coded.dropped, "row")));
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
        let notes =
            (skipped > 0).then(|| format!("passed over, as no pictures: {}", counted(skipped, "file")));
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
