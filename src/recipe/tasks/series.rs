//! Series; a task is one series, a point a window and the value that follows.

use super::kind::{Draw, Kind, Loading, Targets, Usual, check_points, points};
use super::loaded::{Loaded, still_there};
use super::series_csv::{Missing, Names, SeriesCsv, check_dates};
use super::series_data::{Cut, SeriesData};
use crate::adapted::{SeriesForm, SeriesScale};
use crate::data::{Decimal, Dialect, Duplicates, Gaps, Layout, SeriesColumns, SeriesSet, Split};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::{EvaluationSettings, Protocol};
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::section;
use crate::task::{SeriesTable, TaskBatch, TaskSource};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, absolute};
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
    pub(in crate::recipe) data: Loaded<SeriesData>,
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
    /// Read from a file.
    Csv(Box<SeriesCsv>),
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

/// Generated series of trials have numbers from here on.
const TRIED: usize = 1 << 30;

section!(Typed {
    support: usize,
    query: usize,
    series: usize,
    length: usize,
    window: usize,
    scale: Scale,
    csv: String,
    sha256: String,
    id_column: Names,
    value_column: Names,
    time_column: String,
    dates: String,
    layout: Layout,
    missing: Missing,
    gaps: Gaps,
    duplicates: Duplicates,
    pieces: usize,
    train_series: usize,
    separator: String,
    decimal: Decimal,
    encoding: String,
    header: bool,
    missing_values: Vec<String>,
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
            Some(csv) => (SeriesSource::Csv(Box::new(self.file(csv)?)), Scale::Standard),
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
            ("dates", self.dates.is_some()),
            ("layout", self.layout.is_some()),
            ("missing", self.missing.is_some()),
            ("gaps", self.gaps.is_some()),
            ("duplicates", self.duplicates.is_some()),
            ("pieces", self.pieces.is_some()),
            ("train_series", self.train_series.is_some()),
            ("separator", self.separator.is_some()),
            ("decimal", self.decimal.is_some()),
            ("encoding", self.encoding.is_some()),
            ("header", self.header.is_some()),
            ("missing_values", self.missing_values.is_some()),
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
        check_dates(self.dates.as_deref())?;
        let dialect = Dialect {
            separator: self.separator.clone(),
            decimal: self.decimal,
            encoding: self.encoding.clone(),
            header: self.header,
            missing_values: self.missing_values.clone().unwrap_or_default(),
        };
        dialect.check()?;
        Ok(SeriesCsv {
            csv: csv.to_owned(),
            sha256: self.sha256.clone(),
            id_column: Names::list(&self.id_column),
            value_column: Names::list(&self.value_column),
            time_column: self.time_column.clone(),
            dates: self.dates.clone(),
            layout: self.layout,
            missing: self.missing.unwrap_or_default(),
            gaps: self.gaps.unwrap_or_default(),
            duplicates: self.duplicates.unwrap_or_default(),
            pieces: within("task.pieces", self.pieces.unwrap_or(1), 1..=10_000)?,
            train_series: self.train_series,
            dialect,
        })
    }
}

impl SeriesSettings {
    /// How series are read and scaled, one by one, to forecast so many values.
    #[must_use]
    pub fn form(&self, ahead: usize) -> SeriesForm {
        let scale = match self.scale {
            Scale::None => SeriesScale::None,
            Scale::Standard => SeriesScale::Own,
        };
        let (columns, dialect) = self.csv().map_or_else(Default::default, |csv| {
            // A file of new series is not cut into pieces.
            (SeriesColumns { pieces: 1, ..csv.columns() }, csv.dialect.clone())
        });
        SeriesForm { window: self.window, scale, ahead, columns, dialect }
    }

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
    pub(in crate::recipe) fn take(
        &mut self,
        set: Arc<SeriesSet>,
        (support, query): (usize, usize),
        (seed, trials): (u64, bool),
    ) -> Result<()> {
        let SeriesSource::Csv(csv) = &mut self.source else { return Ok(()) };
        set.check(csv.sha256.as_deref())?;
        let standard = self.scale == Scale::Standard;
        let cut = Cut { window: self.window, points: support + query, query, standard, seed };
        let data = cut.split(Arc::clone(&set), csv.train_series, trials)?;
        csv.csv = set.path.display().to_string();
        csv.sha256 = Some(set.sha256.clone());
        csv.train_series = Some(data.train.count() + data.tried.as_ref().map_or(0, SeriesTable::count));
        self.data = Loaded(Some(Arc::new(data)));
        Ok(())
    }

    /// Takes the series of a file to be judged on: all of them, or those held out if it is the file of the recipe.
    pub(in crate::recipe) fn judge_on(
        &mut self,
        path: &Path,
        points: (usize, usize),
        (seed, trials): (u64, bool),
    ) -> Result<()> {
        let path = absolute(path).map_err(|e| Error::file_caused(path, "has no place", e))?;
        let (columns, dialect) =
            self.csv().map_or_else(Default::default, |csv| (csv.columns(), csv.dialect.clone()));
        let set = Arc::new(SeriesSet::read(&path, &columns, &dialect, None)?);
        if self
            .csv()
            .and_then(|csv| csv.sha256.as_deref())
            .is_some_and(|known| set.check(Some(known)).is_ok())
        {
            return self.take(set, points, (seed, trials));
        }
        self.source = SeriesSource::Csv(Box::new(SeriesCsv::of(&set)));
        let standard = self.scale == Scale::Standard;
        let cut = Cut { window: self.window, points: points.0 + points.1, query: points.1, standard, seed };
        self.data = Loaded(Some(Arc::new(cut.all(set)?)));
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

    /// The series of trials, in their order: generated ones of numbers that nothing else draws.
    fn tried(&self, seed: u64, tasks: usize) -> Result<SeriesTable> {
        match self.source {
            SeriesSource::Generated { length, .. } => {
                let table = SeriesTable::generate_range(seed, TRIED..TRIED + tasks, length, self.window);
                Ok(self.scaled(table))
            }
            SeriesSource::Csv(_) => self.loaded()?.tried.clone().ok_or_else(|| {
                Error::failed("the recipe's series are loaded without any for trials (validation.every = 0)")
            }),
        }
    }

    /// The last windows of series.
    fn last_windows(
        &self,
        table: &SeriesTable,
        (query, settings): (usize, &EvaluationSettings),
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let most = self.most_points(settings, query, table.shortest());
        if settings.points > most {
            let reason = format!(
                "is {}; the shortest held-out series has {} values and leaves room for {most}",
                settings.points,
                table.shortest()
            );
            return Err(Error::recipe("evaluation.points", reason));
        }
        Ok(table.last_windows(range, settings.points, query, settings.same()))
    }

    fn scaled(&self, table: SeriesTable) -> SeriesTable {
        if self.scale == Scale::Standard { table.standardised(0.0) } else { table }
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

    /// One flat series: thousands take a while to be generated.
    fn sketch(&self, seed: u64) -> Result<TaskSource> {
        match self.source {
            SeriesSource::Generated { length, .. } => {
                SeriesTable::ragged(vec![0.0; length], &[length], self.window).map(TaskSource::Series)
            }
            SeriesSource::Csv(_) => Kind::source(self, seed),
        }
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
        self.last_windows(&table, (draw.query, settings), range)
    }

    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        _: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let table = self.tried(draw.seed, range.end)?;
        self.last_windows(&table, (draw.query, settings), range)
    }

    fn validation_count(&self, asked: usize) -> usize {
        self.data().and_then(|data| data.tried.as_ref()).map_or(asked, |tried| asked.min(tried.count()))
    }

    fn trials_cost(&self) -> bool {
        self.csv().is_some()
    }

    fn needs_data(&self) -> bool {
        self.csv().is_some()
    }

    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        let SeriesSource::Csv(csv) = &self.source else { return Ok(()) };
        let path = absolute(&csv.csv).map_err(|e| Error::file_caused(&csv.csv, "has no place", e))?;
        still_there(&path, csv.sha256.as_deref(), "--csv")?;
        let set = SeriesSet::read(&path, &csv.columns(), &csv.dialect, csv.sha256.as_deref())?;
        self.take(Arc::new(set), (*loading.support, *loading.query), (loading.seed, loading.trials))
    }
}
