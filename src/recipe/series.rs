//! Series that a recipe's tasks are windows of: their settings, their file, and which of them are held out.

use super::resolve::within;
use super::settings::{EvaluationSettings, Family, Recipe, Tasks};
use super::typed;
use crate::data::{SeriesColumns, SeriesSet};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use crate::task::{SeriesTable, TaskBatch};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::absolute;
use std::sync::Arc;

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

/// What series are judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// On the last `task.query` windows, adapted on those just before.
    #[default]
    Ahead,
    /// On the very windows that they are adapted on, the last of the series: how well a learner fits, not how well it
    /// forecasts.
    Same,
}

/// The series of a file, split.
#[derive(Clone, Debug)]
pub struct SeriesData {
    /// What the file held.
    pub set: Arc<SeriesSet>,
    /// Series to learn from.
    pub train: SeriesTable,
    /// Series to be judged on.
    pub held_out: SeriesTable,
    /// Their numbers in the set.
    pub held_out_numbers: Vec<usize>,
    /// Series left out since they are too short for one task.
    pub short: usize,
}

/// Series that a recipe holds once they are loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded(pub(super) Option<Arc<SeriesData>>);

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        let sum = |loaded: &Self| loaded.0.as_ref().map(|data| data.set.sha256.clone());
        sum(self) == sum(other)
    }
}

/// Most series to learn from, unless asked for: those of the original.
const TRAIN_SERIES: usize = 3000;

impl typed::Task {
    /// Keys of series, and whether they were typed.
    pub(super) fn series_keys(&self) -> [(&'static str, bool); 11] {
        [
            ("series", self.series.is_some()),
            ("length", self.length.is_some()),
            ("window", self.window.is_some()),
            ("scale", self.scale.is_some()),
            ("csv", self.csv.is_some()),
            ("sha256", self.sha256.is_some()),
            ("id_column", self.id_column.is_some()),
            ("value_column", self.value_column.is_some()),
            ("time_column", self.time_column.is_some()),
            ("missing", self.missing.is_some()),
            ("train_series", self.train_series.is_some()),
        ]
    }

    pub(super) fn resolve_series(&self, points: usize) -> Result<Family> {
        let most = 1 << 20;
        let window = within("task.window", self.window.unwrap_or(30), 1..=most)?;
        let foreign = self.series_keys().into_iter().find(|(key, given)| {
            let generated = ["series", "length"].contains(key);
            let of_both = ["window", "scale", "csv"].contains(key);
            *given && !of_both && generated == self.csv.is_some()
        });
        if let Some((key, _)) = foreign {
            let reason = match self.csv {
                Some(_) => "is a setting of generated series; with task.csv the file says it",
                None => "needs task.csv, the file that it is about",
            };
            return Err(Error::recipe(format!("task.{key}"), reason));
        }
        let (source, natural) = match self.csv.clone() {
            None => {
                let least = window + points;
                let series = within("task.series", self.series.unwrap_or(3000), 1..=most)?;
                let length = within("task.length", self.length.unwrap_or(200), least..=most.max(least))?;
                within("task.series × task.length", series.saturating_mul(length), 1..=1 << 28)?;
                (SeriesSource::Generated { series, length }, Scale::None)
            }
            Some(csv) if csv.is_empty() => return Err(Error::recipe("task.csv", "is empty; name a file")),
            Some(csv) => {
                if let Some(count) = self.train_series {
                    within("task.train_series", count, 1..=most)?;
                }
                let csv = SeriesCsv {
                    csv,
                    sha256: self.sha256.clone(),
                    id_column: self.id_column.clone().unwrap_or_else(|| "id".to_owned()),
                    value_column: self.value_column.clone().unwrap_or_else(|| "realValue".to_owned()),
                    time_column: self.time_column.clone(),
                    missing: self.missing.unwrap_or_default(),
                    train_series: self.train_series,
                };
                (SeriesSource::Csv(csv), Scale::Standard)
            }
        };
        Ok(Family::Series { window, scale: self.scale.unwrap_or(natural), source })
    }
}

impl Family {
    /// The long table that series are read from.
    #[must_use]
    pub fn csv(&self) -> Option<&SeriesCsv> {
        match self {
            Self::Series { source: SeriesSource::Csv(csv), .. } => Some(csv),
            _ => None,
        }
    }
}

impl EvaluationSettings {
    /// Whether series are judged on the windows that they are adapted on.
    pub(super) fn same(&self) -> bool {
        self.protocol == Some(Protocol::Same)
    }

    /// Most support points of series of this many values.
    pub(super) fn most_points(&self, task: &Tasks, length: usize, window: usize) -> usize {
        length.saturating_sub(window + if self.same() { 0 } else { task.query })
    }
}

impl Recipe {
    /// Reads the file of `task.csv`, splits its series, and writes into the recipe what follows from it: the whole path,
    /// its SHA-256, the number of series to learn from. Does nothing where there is no such file.
    ///
    /// # Errors
    /// As [`SeriesSet::read`] and [`Recipe::set_series`].
    pub fn load_series(&mut self) -> Result<()> {
        let Some(settings) = self.task.family.csv() else { return Ok(()) };
        let columns = SeriesColumns {
            id: settings.id_column.clone(),
            value: settings.value_column.clone(),
            time: settings.time_column.clone(),
            drop_missing: settings.missing == Missing::Drop,
        };
        let path =
            absolute(&settings.csv).map_err(|e| Error::file_caused(&settings.csv, "has no place", e))?;
        let set = SeriesSet::read(&path, &columns, settings.sha256.as_deref())?;
        self.set_series(Arc::new(set))
    }

    /// Takes these series for those of `task.csv`.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key that does not fit them: all of them too short, too few;
    /// [`File`](crate::ErrorKind::File) if the file is not the one that the recipe was run with.
    pub fn set_series(&mut self, set: Arc<SeriesSet>) -> Result<()> {
        let Tasks { support, query, .. } = self.task;
        let (seed, points) = (self.seed, support + query);
        let Family::Series { window, scale, source: SeriesSource::Csv(settings) } = &mut self.task.family
        else {
            return Ok(());
        };
        set.check(settings.sha256.as_deref())?;
        let least = *window + points;
        let long = |i: &usize| set.series[*i].1.len() >= least;
        let mut usable: Vec<_> = (0..set.series.len()).filter(long).collect();
        let short = set.series.len() - usable.len();
        if usable.is_empty() {
            let longest = set.series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
            let reason = format!(
                "is {window}; a task of {points} windows needs {least} values, but the longest of the {short} series of {} has {longest}",
                set.path.display()
            );
            return Err(Error::recipe("task.window", reason));
        }
        if usable.len() < 2 {
            let reason = format!(
                "{} has 1 series of at least {least} values (task.window with task.support and task.query), besides {short} shorter; \
                 one to learn from and one to be judged on are needed",
                set.path.display()
            );
            return Err(Error::recipe("task.csv", reason));
        }
        let quarters = (3 * usable.len() / 4).clamp(1, TRAIN_SERIES);
        let most = usable.len() - 1;
        let train = settings.train_series.unwrap_or(quarters);
        if train > most {
            let reason = format!(
                "is {train}, but {} has {} series long enough; at most {most} leave one to be judged on",
                set.path.display(),
                usable.len()
            );
            return Err(Error::recipe("task.train_series", reason));
        }
        shuffle(&mut usable, seed);
        let held_out = usable.split_off(train);
        let table = |numbers: &[usize]| {
            let chosen = numbers.iter().map(|&i| &set.series[i].1);
            let lengths: Vec<_> = chosen.clone().map(Vec::len).collect();
            let values: Vec<f32> = chosen.flatten().copied().collect();
            let table = SeriesTable::ragged(values, &lengths, *window)?;
            Ok::<_, Error>(if *scale == Scale::Standard { table.standardised() } else { table })
        };
        let data = SeriesData {
            train: table(&usable)?,
            held_out: table(&held_out)?,
            held_out_numbers: held_out,
            short,
            set: Arc::clone(&set),
        };
        settings.csv = set.path.display().to_string();
        settings.sha256 = Some(set.sha256.clone());
        settings.train_series = Some(train);
        self.series = Loaded(Some(Arc::new(data)));
        self.train_plan()?;
        self.control_plan()?;
        self.evaluation_tasks(&self.evaluation, 0..1)?;
        Ok(())
    }

    /// The series of a file, once loaded.
    #[must_use]
    pub fn series(&self) -> Option<&Arc<SeriesData>> {
        self.series.0.as_ref()
    }

    fn loaded(&self) -> Result<&SeriesData> {
        let data = self.series.0.as_deref();
        data.ok_or_else(|| Error::failed("the recipe's series are not loaded: call load_data first"))
    }

    /// The series to learn from.
    pub(super) fn train_table(
        &self,
        window: usize,
        scale: Scale,
        source: &SeriesSource,
    ) -> Result<SeriesTable> {
        match *source {
            SeriesSource::Generated { series, length } => {
                Ok(scaled(SeriesTable::generate(self.seed, series, length, window), scale))
            }
            SeriesSource::Csv(_) => Ok(self.loaded()?.train.clone()),
        }
    }

    /// The held-out series of an evaluation, in its order.
    ///
    /// # Errors
    /// If they are not loaded, or the recipe is not of series.
    pub fn held_out(&self, tasks: usize) -> Result<SeriesTable> {
        match self.task.family {
            Family::Series { window, scale, source: SeriesSource::Generated { series, length } } => {
                let table = SeriesTable::generate_range(self.seed, series..series + tasks, length, window);
                Ok(scaled(table, scale))
            }
            Family::Series { .. } => Ok(self.loaded()?.held_out.clone()),
            _ => Err(Error::failed("the recipe's tasks are not made of series")),
        }
    }

    /// New tasks of an evaluation: as many as asked for, or as there are held-out series.
    #[must_use]
    pub fn evaluation_count(&self, settings: &EvaluationSettings) -> usize {
        self.series().map_or(settings.tasks, |data| settings.tasks.min(data.held_out.count()))
    }

    /// The last windows of the held-out series `range`.
    pub(super) fn series_batch(
        &self,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let table = self.held_out(self.evaluation_count(settings))?;
        let most = settings.most_points(&self.task, table.shortest(), table.window());
        if settings.points > most {
            let reason = format!(
                "is {}; the shortest held-out series has {} values and leaves room for {most}",
                settings.points,
                table.shortest()
            );
            return Err(Error::recipe("evaluation.points", reason));
        }
        Ok(table.last_windows(range, settings.points, self.task.query, settings.same()))
    }
}

fn scaled(table: SeriesTable, scale: Scale) -> SeriesTable {
    if scale == Scale::Standard { table.standardised() } else { table }
}

/// Fisher and Yates, from a stream of the seed's.
fn shuffle(numbers: &mut [usize], seed: u64) {
    let mut words = Philox::stream(seed, Purpose::Data, 1, 0);
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, below(words.word(), last as u32 + 1) as usize);
    }
}
