//! Series; a task is one series, a point a window and the value that follows.

use super::kind::{Draw, Kind, Loading, Targets, Usual, check_points, points};
use super::loaded::Loaded;
use super::series_data::{Cut, SeriesData};
use crate::data::{SeriesColumns, SeriesSet};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::{EvaluationSettings, Protocol};
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::section;
use crate::task::{SeriesTable, TaskBatch, TaskSource};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::absolute;
use std::sync::Arc;

/// Series; a task is one series, a point a window and the value that follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesSettings {
    /// Values a window (default 30).
    pub window: usize,
    /// How values are scaled (default `none`, of a file `standard`).
    pub scale: Scale,
    /// Where they come from (default: generated).
    #[serde(flatten)]
    pub source: SeriesSource,
    #[serde(skip)]
    data: Loaded<SeriesData>,
}

/// Where series come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SeriesSource {
    /// Made by the program.
    Generated {
        /// Number of series to learn from (default 3000).
        series: usize,
        /// Values a series (default 200).
        length: usize,
    },
    /// Read from a long table.
    Csv(SeriesCsv),
}

/// A long table: a row for each series and time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesCsv {
    /// The file: CSV, or one CSV file zipped or gzipped.
    pub csv: String,
    /// SHA-256 of the file as it lies there; written down when it is first read, and checked whenever it is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The column that names a row's series (default `id`).
    pub id_column: String,
    /// The column of values (default `realValue`).
    pub value_column: String,
    /// The column of times, by which rows are sorted; without one they stand in the order of time already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// What becomes of rows without a value (default `refuse`).
    pub missing: Missing,
    /// Series to learn from, chosen by the seed; the others are meta-test. By default three quarters of them, at most
    /// 3000, which is written down when the file is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_series: Option<usize>,
}

/// What becomes of rows without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// They are an error.
    #[default]
    Refuse,
    /// They are left out and counted; the values beside the gap become neighbours.
    Drop,
}

/// How values are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Not at all.
    None,
    /// Less the mean and over the deviation of what the series was before the task's first query target, see
    /// [`SeriesTable`].
    Standard,
}

section!(Typed {
    support: usize,
    query: usize,
    series: usize,
    length: usize,
    window: usize,
    scale: Scale,
    csv: String,
    sha256: String,
    id_column: String,
    value_column: String,
    time_column: String,
    missing: Missing,
    train_series: usize,
});

impl Typed {
    /// The settings, and support and query points.
    pub(super) fn resolve(self) -> Result<(SeriesSettings, usize, usize)> {
        let (support, query) = points(self.support, self.query)?;
        let window = within("task.window", self.window.unwrap_or(30), 1..=MANY)?;
        self.check_source()?;
        let scale = self.scale;
        let (source, natural) = match &self.csv {
            None => (self.generated(window + support + query)?, Scale::None),
            Some(csv) if csv.is_empty() => return Err(Error::recipe("task.csv", "is empty; name a file")),
            Some(csv) => (SeriesSource::Csv(self.file(csv)?), Scale::Standard),
        };
        let scale = scale.unwrap_or(natural);
        Ok((SeriesSettings { window, scale, source, data: Loaded::default() }, support, query))
    }

    /// Refuses settings of the other source.
    fn check_source(&self) -> Result<()> {
        let generated = [("series", self.series.is_some()), ("length", self.length.is_some())];
        let of_file = [
            ("sha256", self.sha256.is_some()),
            ("id_column", self.id_column.is_some()),
            ("value_column", self.value_column.is_some()),
            ("time_column", self.time_column.is_some()),
            ("missing", self.missing.is_some()),
            ("train_series", self.train_series.is_some()),
        ];
        let (foreign, reason) = match self.csv {
            Some(_) => (&generated[..], "is a setting of generated series; with task.csv the file says it"),
            None => (&of_file[..], "needs task.csv, the file that it is about"),
        };
        match foreign.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Error::recipe(format!("task.{key}"), reason)),
            None => Ok(()),
        }
    }

    fn generated(&self, least: usize) -> Result<SeriesSource> {
        let series = within("task.series", self.series.unwrap_or(3000), 1..=MANY)?;
        let length = within("task.length", self.length.unwrap_or(200), least..=MANY.max(least))?;
        within("task.series × task.length", series.saturating_mul(length), 1..=1 << 28)?;
        Ok(SeriesSource::Generated { series, length })
    }

    fn file(&self, csv: &str) -> Result<SeriesCsv> {
        if let Some(count) = self.train_series {
            within("task.train_series", count, 1..=MANY)?;
        }
        Ok(SeriesCsv {
            csv: csv.to_owned(),
            sha256: self.sha256.clone(),
            id_column: self.id_column.clone().unwrap_or_else(|| "id".to_owned()),
            value_column: self.value_column.clone().unwrap_or_else(|| "realValue".to_owned()),
            time_column: self.time_column.clone(),
            missing: self.missing.unwrap_or_default(),
            train_series: self.train_series,
        })
    }
}

impl SeriesSettings {
    /// The long table that series are read from.
    pub(super) fn csv(&self) -> Option<&SeriesCsv> {
        match &self.source {
            SeriesSource::Csv(csv) => Some(csv),
            SeriesSource::Generated { .. } => None,
        }
    }

    /// The series of a file, once loaded.
    pub(in crate::recipe) fn data(&self) -> Option<&Arc<SeriesData>> {
        self.data.0.as_ref()
    }

    /// Takes these series for those of the file, split by the seed, and notes what follows from them.
    pub(in crate::recipe) fn take(&mut self, set: Arc<SeriesSet>, points: usize, seed: u64) -> Result<()> {
        let SeriesSource::Csv(csv) = &mut self.source else { return Ok(()) };
        set.check(csv.sha256.as_deref())?;
        let cut = Cut { window: self.window, points, standard: self.scale == Scale::Standard, seed };
        let data = cut.split(Arc::clone(&set), csv.train_series)?;
        csv.csv = set.path.display().to_string();
        csv.sha256 = Some(set.sha256.clone());
        csv.train_series = Some(data.train.count());
        self.data = Loaded(Some(Arc::new(data)));
        Ok(())
    }

    fn loaded(&self) -> Result<&SeriesData> {
        let data = self.data.0.as_deref();
        data.ok_or_else(|| Error::failed("the recipe's series are not loaded: call load_data first"))
    }

    /// The held-out series of an evaluation, in its order.
    pub(in crate::recipe) fn held_out(&self, seed: u64, tasks: usize) -> Result<SeriesTable> {
        match self.source {
            SeriesSource::Generated { series, length } => {
                let table = SeriesTable::generate_range(seed, series..series + tasks, length, self.window);
                Ok(self.scaled(table))
            }
            SeriesSource::Csv(_) => Ok(self.loaded()?.held_out.clone()),
        }
    }

    fn scaled(&self, table: SeriesTable) -> SeriesTable {
        if self.scale == Scale::Standard { table.standardised() } else { table }
    }

    /// Most support points of series of this many values.
    fn most_points(&self, settings: &EvaluationSettings, query: usize, length: usize) -> usize {
        length.saturating_sub(self.window + if settings.same() { 0 } else { query })
    }
}

impl Kind for SeriesSettings {
    fn targets(&self) -> Targets {
        Targets::Numbers
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        Ok((Shape::Vector(self.window), 1))
    }

    fn source(&self, seed: u64) -> Result<TaskSource> {
        Ok(TaskSource::Series(match self.source {
            SeriesSource::Generated { series, length } => {
                self.scaled(SeriesTable::generate(seed, series, length, self.window))
            }
            SeriesSource::Csv(_) => self.loaded()?.train.clone(),
        }))
    }

    fn counts_points(&self) -> bool {
        true
    }

    fn usual(&self, support: usize) -> Usual {
        let protocol = Some(Protocol::default());
        Usual { tasks: 600, points: support.max(1), queries: None, protocol }
    }

    fn check_evaluation(&self, (_, query): (usize, usize), settings: &EvaluationSettings) -> Result<()> {
        let most = match self.source {
            SeriesSource::Generated { length, .. } => self.most_points(settings, query, length),
            // What a file's series have room for is seen when they are loaded.
            SeriesSource::Csv(_) => MANY,
        };
        check_points(settings, most)
    }

    fn evaluation_count(&self, asked: usize) -> usize {
        self.data().map_or(asked, |data| asked.min(data.held_out.count()))
    }

    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let table = self.held_out(draw.seed, self.evaluation_count(settings.tasks))?;
        let most = self.most_points(settings, draw.query, table.shortest());
        if settings.points > most {
            let reason = format!(
                "is {}; the shortest held-out series has {} values and leaves room for {most}",
                settings.points,
                table.shortest()
            );
            return Err(Error::recipe("evaluation.points", reason));
        }
        Ok(table.last_windows(range, settings.points, draw.query, settings.same()))
    }

    fn needs_data(&self) -> bool {
        self.csv().is_some()
    }

    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        let SeriesSource::Csv(csv) = &self.source else { return Ok(()) };
        let columns = SeriesColumns {
            id: csv.id_column.clone(),
            value: csv.value_column.clone(),
            time: csv.time_column.clone(),
            drop_missing: csv.missing == Missing::Drop,
        };
        let path = absolute(&csv.csv).map_err(|e| Error::file_caused(&csv.csv, "has no place", e))?;
        let set = SeriesSet::read(&path, &columns, csv.sha256.as_deref())?;
        self.take(Arc::new(set), *loading.support + *loading.query, loading.seed)
    }
}
