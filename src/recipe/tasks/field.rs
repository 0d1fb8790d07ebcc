//! Fields: a task is one signal, a point a place and the values there.

use super::field_data::FieldData;
use super::field_source::FieldSource;
use super::kind::{Draw, Kind, Loading, Targets, Usual};
use super::loaded::{Loaded, still_there};
use crate::adapted::FieldForm;
use crate::data::{
    self, FieldColumns, FieldSet, ImageSet, PictureForm, PictureReading, Ranges, Split, glyphs,
};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::{MANY, within};
use crate::task::{FieldTasks, QueryPoints, Rays, Signals, TaskBatch, TaskSource};
use serde::Serialize;
use std::ops::Range;
use std::path::absolute;
use std::sync::Arc;

/// Characters of the drawn set, and of drawers of each, where it is the images.
const CHARACTERS: usize = 400;
const DRAWERS: usize = 10;

/// The sequence of phantoms that trials are made on; 0 is that of the final evaluation, 1 that by which rates are chosen.
const TRIED: u32 = 2;

/// Fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldSettings {
    /// Points, or rays, of a field a meta-iteration, drawn anew each time (default: all that the largest field has).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// Which of them are judged (default `same`: all, and all are adapted on; `others`: one half is adapted on, the other judged).
    pub query_points: QueryPoints,
    /// Line integrals at so many angles in place of values, as tomography measures them: a point is a ray (default: values).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angles: Option<usize>,
    /// Places along a ray (default 64).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// Where they come from (default phantoms).
    #[serde(flatten)]
    pub source: FieldSource,
    #[serde(skip)]
    pub(in crate::recipe) data: Loaded<FieldData>,
}

impl FieldSettings {
    /// The fields, once loaded; phantoms are always there.
    pub(in crate::recipe) fn data(&self) -> Option<&Arc<FieldData>> {
        self.data.0.as_ref()
    }

    fn tasks(&self, signals: Signals) -> Result<FieldTasks> {
        let side = signals.side();
        let tasks = FieldTasks::new(signals, self.query_points)?;
        match (self.angles, side) {
            (Some(angles), side) => {
                let samples = self.samples.unwrap_or(2);
                tasks.with_rays(Rays { angles, offsets: side.unwrap_or(1), samples })
            }
            (None, _) => Ok(tasks),
        }
    }

    fn signals(&self, of: fn(&FieldData) -> &Signals) -> Result<Signals> {
        match (&self.source, self.data()) {
            (FieldSource::Phantoms { side }, _) => Ok(Signals::Phantoms { side: *side }),
            (FieldSource::Images { .. } | FieldSource::Csv(_), Some(data)) => Ok(of(data).clone()),
            (FieldSource::Images { .. } | FieldSource::Csv(_), None) => {
                Err(Error::failed("the recipe's fields are not loaded: call load_data first"))
            }
        }
    }

    /// Tasks of the fields to learn from.
    pub(super) fn train_tasks(&self) -> Result<FieldTasks> {
        self.tasks(self.signals(|data| &data.train)?)
    }

    /// Tasks of the fields that are held out.
    ///
    /// # Errors
    /// If they are not loaded.
    pub fn held_out(&self) -> Result<FieldTasks> {
        self.tasks(self.signals(|data| &data.held_out)?)
    }

    /// Tasks by which rates are chosen: fields of which none is held out, phantoms of another sequence.
    pub(in crate::recipe) fn other_tasks(&self) -> Result<FieldTasks> {
        self.tasks(self.signals(|data| &data.other)?)
    }

    /// Tasks of trials: validation images, fields held out of training, phantoms of a sequence of their own.
    fn tried_tasks(&self) -> Result<FieldTasks> {
        match (&self.source, self.data().map(|data| &data.tried)) {
            (FieldSource::Images { data, .. }, Some(None)) => Err(Error::recipe(
                "validation.every",
                format!("needs images for trials, but `{data}` has no validation classes; use 0"),
            )),
            (FieldSource::Images { .. } | FieldSource::Csv(_), Some(Some(tried))) => {
                self.tasks(tried.clone())
            }
            (FieldSource::Phantoms { .. } | FieldSource::Csv(_) | FieldSource::Images { .. }, _) => {
                self.other_tasks()
            }
        }
    }

    /// Refuses more points than there are.
    pub(super) fn check_points(&self, tasks: &FieldTasks) -> Result<()> {
        let most = tasks.most_points();
        match self.points.filter(|&points| points > most) {
            None => Ok(()),
            Some(points) => {
                let what = if self.angles.is_some() { "rays" } else { "points" };
                let reason = format!("is {points}; the field with the most {what} has {most}");
                Err(Error::recipe("task.points", reason))
            }
        }
    }

    /// Support and query points; nothing before the data are loaded that they follow from.
    pub(super) fn counts(&self) -> Option<(usize, usize)> {
        let points = match (self.points, self.train_tasks()) {
            (Some(points), _) => points,
            (None, Ok(tasks)) => tasks.most_points(),
            (None, Err(_)) => return None,
        };
        Some(match self.query_points {
            QueryPoints::Same => (points, points),
            QueryPoints::Others => (points / 2, points - points / 2),
        })
    }

    /// Coordinates of a point, and values there; nothing before they are known.
    fn widths(&self) -> Option<(usize, usize)> {
        match &self.source {
            FieldSource::Phantoms { .. } => Some((2, 1)),
            FieldSource::Images { channels, .. } => channels.map(|channels| (2, channels)),
            // What is not said is asked for when the file is read, whose columns can then be told.
            FieldSource::Csv(csv) => {
                Some((csv.coordinates.len(), csv.values.len())).filter(|(x, y)| *x > 0 && *y > 0)
            }
        }
    }

    /// Pixels of a row and of a column; nothing where points lie anywhere, or before it is known.
    #[must_use]
    pub fn side(&self) -> Option<usize> {
        match &self.source {
            FieldSource::Phantoms { side } => Some(*side),
            FieldSource::Images { side, .. } => *side,
            FieldSource::Csv(_) => None,
        }
    }

    /// What goes in and comes out, in the units of files.
    ///
    /// # Errors
    /// If that follows from data which are not loaded.
    pub fn form(&self) -> Result<FieldForm> {
        let unknown = || Error::failed("the recipe's fields are not loaded: call load_data first");
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let samples = self.samples.unwrap_or(1);
        if let FieldSource::Csv(csv) = &self.source {
            return Ok(FieldForm {
                coordinates: csv.coordinates.clone(),
                coordinate_ranges: csv.coordinate_ranges.clone().ok_or_else(unknown)?,
                values: csv.values.clone(),
                value_ranges: csv.value_ranges.clone().ok_or_else(unknown)?,
                samples,
                pictures: None,
            });
        }
        let (_, channels) = self.widths().ok_or_else(unknown)?;
        let side = self.side().ok_or_else(unknown)?;
        let reading = match &self.source {
            FieldSource::Images { data, reading, .. } => {
                reading.unwrap_or_else(|| PictureReading::usual(data))
            }
            FieldSource::Phantoms { .. } | FieldSource::Csv(_) => PictureReading::usual(""),
        };
        Ok(FieldForm {
            coordinates: names(&["x", "y"]),
            coordinate_ranges: Ranges(vec![[-1.0, 1.0]; 2]),
            values: match channels {
                1 => names(&["value"]),
                3 => names(&["red", "green", "blue"]),
                _ => (0..channels).map(|channel| format!("value{channel}")).collect(),
            },
            value_ranges: Ranges(vec![[0.0, 1.0]; channels]),
            samples,
            pictures: [1, 3].contains(&channels).then(|| PictureForm::of_set(reading, channels, side)),
        })
    }

    /// Takes images, if they are those that the settings speak of.
    pub(in crate::recipe) fn take(&mut self, set: Arc<ImageSet>) -> Result<()> {
        let FieldSource::Images { data, data_sha256, reading, side, channels } = &mut self.source else {
            return Ok(());
        };
        for (key, asked, found) in [("channels", channels, set.channels()), ("side", side, set.side())] {
            if let Some(asked) = asked.filter(|&asked| asked != found) {
                let name = set.name();
                let reason = format!("is {asked}, but the images of `{name}` have {found}; leave it out");
                return Err(Error::recipe(format!("task.{key}"), reason));
            }
            *asked = Some(found);
        }
        if let Some(known) = data_sha256.as_deref().filter(|known| *known != set.checksum()) {
            let reason = format!(
                "is {known}, but the images of `{}` have {}: they are not those that it was noted from; import those again, \
                 or leave the key out of a recipe that is to learn from others",
                set.name(),
                set.checksum()
            );
            return Err(Error::recipe("task.data_sha256", reason));
        }
        *data_sha256 = Some(set.checksum().to_owned());
        *reading = Some(set.reading()).filter(|reading| *reading != PictureReading::usual(data));
        self.data = Loaded(Some(Arc::new(FieldData::of_images(set)?)));
        Ok(())
    }

    /// Reads the file.
    fn read(&mut self, seed: u64, trials: bool) -> Result<()> {
        let FieldSource::Csv(csv) = &mut self.source else { return Ok(()) };
        let path = absolute(&csv.csv).map_err(|e| Error::file_caused(&csv.csv, "has no place", e))?;
        still_there(&path, csv.sha256.as_deref(), "--csv")?;
        let columns = FieldColumns {
            id: csv.id_column.clone(),
            coordinates: csv.coordinates.clone(),
            values: csv.values.clone(),
        };
        let set = FieldSet::read(&path, &columns, &csv.dialect, csv.sha256.as_deref())?;
        csv.csv = path.display().to_string();
        csv.sha256 = Some(set.sha256.clone());
        let (data, ranges) = FieldData::of_file(&set, &columns, csv.train_fields, (seed, trials))?;
        csv.train_fields = Some(set.fields.len() - data.held_out_names.len());
        [csv.coordinate_ranges, csv.value_ranges] = ranges.map(Some);
        self.data = Loaded(Some(Arc::new(data)));
        Ok(())
    }
}

impl Kind for FieldSettings {
    fn targets(&self) -> Targets {
        Targets::Numbers
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        let known = self.widths();
        let (inputs, targets) =
            known.ok_or_else(|| Error::failed("the recipe's fields are not loaded: call load_data first"))?;
        let shape = match self.samples {
            Some(samples) => Shape::Image { channels: inputs, height: 1, width: samples },
            None => Shape::Vector(inputs),
        };
        Ok((shape, targets))
    }

    fn source(&self, _: u64) -> Result<TaskSource> {
        Ok(TaskSource::Custom(Arc::new(self.train_tasks()?)))
    }

    fn counts_points(&self) -> bool {
        false
    }

    fn usual(&self, _: usize) -> Usual {
        Usual { tasks: 24, points: 0, queries: None, protocol: None }
    }

    fn check_evaluation(&self, _: (usize, usize), settings: &EvaluationSettings) -> Result<()> {
        let most = |tasks: FieldTasks| tasks.most_points() - usize::from(tasks.judges_others());
        let most = self.held_out().map_or(MANY, most);
        within("evaluation.points", settings.points, 0..=most).map(drop)
    }

    fn evaluation_support(&self, (support, _): (usize, usize), settings: &EvaluationSettings) -> usize {
        match (settings.points, self.held_out()) {
            (0, Ok(tasks)) if tasks.judges_others() => (tasks.most_points() / 2).max(1),
            (0, Ok(tasks)) => tasks.most_points(),
            (0, Err(_)) => support,
            (points, _) => points,
        }
    }

    fn evaluation_query(&self, query: usize, settings: &EvaluationSettings) -> usize {
        let support = self.evaluation_support((query, query), settings);
        self.held_out().map_or(query, |tasks| tasks.evaluation_query(support))
    }

    fn evaluation_count(&self, asked: usize) -> usize {
        let known = self.held_out().ok().and_then(|tasks| tasks.signals().count());
        known.map_or(asked, |count| asked.min(count))
    }

    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let support = self.evaluation_support((draw.support, draw.query), settings);
        Ok(self.held_out()?.evaluation(draw.seed, 0, range, support))
    }

    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        _: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let support = self.evaluation_support((draw.support, draw.query), settings);
        Ok(self.tried_tasks()?.evaluation(draw.seed, TRIED, range, support))
    }

    fn validation_count(&self, asked: usize) -> usize {
        let known = self.tried_tasks().ok().and_then(|tasks| tasks.signals().count());
        known.map_or(asked, |count| asked.min(count))
    }

    fn trials_cost(&self) -> bool {
        matches!(self.source, FieldSource::Csv(_))
    }

    fn needs_data(&self) -> bool {
        !matches!(self.source, FieldSource::Phantoms { .. })
    }

    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        match &self.source {
            FieldSource::Phantoms { .. } => {}
            FieldSource::Csv(_) => self.read(loading.seed, loading.trials)?,
            FieldSource::Images { data, side, channels, .. } => {
                let set = match data.as_str() {
                    glyphs::NAME => glyphs::generate(0, CHARACTERS, DRAWERS, side.unwrap_or(28))
                        .in_channels(channels.unwrap_or(1))?,
                    name => data::load(name, loading.dir)?,
                };
                self.take(Arc::new(set))?;
            }
        }
        self.settle(loading.support, loading.query)
    }
}

impl FieldSettings {
    /// Notes how many points there are, now that it is known.
    pub(in crate::recipe) fn settle(&self, support: &mut usize, query: &mut usize) -> Result<()> {
        self.check_points(&self.train_tasks()?)?;
        if let Some(counts) = self.counts() {
            (*support, *query) = counts;
        }
        Ok(())
    }
}
