//! Rows of a table, a class each: mini-batches of all of them, or n-way k-shot tasks.

use super::kind::{self, Draw, Kind, Loading, Targets, Usual, check_classes, check_points};
use super::loaded::Loaded;
use super::rows::{self, LoadedTable, TableRows};
use crate::data::{RowTable, Split};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::section;
use crate::task::{TaskBatch, TaskFamily as _, TaskSource};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// Rows of a mini-batch unless the recipe says otherwise.
const ROWS: usize = 16;

/// A table of rows with a class each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableSettings {
    /// The CSV file of training rows, absolute once read; absent: rows that the program makes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// SHA-256 of its bytes, once read; another file is refused then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_sha256: Option<String>,
    /// Its column of classes (default `label`).
    pub label: String,
    /// Columns that are no features (default none).
    pub ignore: Vec<String>,
    /// What a task is.
    #[serde(flatten)]
    pub tasks: TableTasks,
    /// Features, once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Classes of the file, once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    #[serde(skip)]
    table: Loaded<LoadedTable>,
}

/// What a task of a table is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TableTasks {
    /// A mini-batch of all rows.
    Batches {
        /// Support and query of a mini-batch (default `both`).
        batch: Batch,
        /// Rows a mini-batch (default 16, or all if there are fewer).
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
        /// Times that all rows are gone through, where `outer.iterations` is not given (default 10).
        epochs: u64,
        /// A CSV file of rows to judge by or, without labels, to predict (default none).
        #[serde(skip_serializing_if = "Option::is_none")]
        test: Option<String>,
        /// SHA-256 of its bytes, once read.
        #[serde(skip_serializing_if = "Option::is_none")]
        test_sha256: Option<String>,
        /// Share of the rows, of each class, that are held out and judged by, where no test file has labels (default 0.2).
        held_out: f64,
    },
    /// n-way k-shot, with classes held out.
    FewShot {
        /// Classes a task.
        ways: usize,
        /// Support rows a class (default 1).
        shots: usize,
        /// Query rows a class (default 1).
        queries: usize,
        /// Classes of meta-training, meta-validation and meta-test, chosen by the seed (default: a fifth each for the
        /// latter two, at least `ways`).
        #[serde(skip_serializing_if = "Option::is_none")]
        split: Option<[usize; 3]>,
    },
}

/// Support and query of a mini-batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// The whole mini-batch is both.
    #[default]
    Both,
    /// Its first half is the support, the rest the query.
    Split,
}

section!(Typed {
    ways: usize,
    shots: usize,
    queries: usize,
    train: String,
    train_sha256: String,
    label: String,
    ignore: Vec<String>,
    batch: Batch,
    rows: usize,
    epochs: u64,
    test: String,
    test_sha256: String,
    held_out: f64,
    split: [usize; 3],
    features: usize,
    classes: usize,
});

impl Typed {
    /// The settings, and support and query points.
    pub(super) fn resolve(self) -> Result<(TableSettings, usize, usize)> {
        self.check_tasks()?;
        let (tasks, support, query) = match self.ways {
            Some(ways) => {
                let [ways, shots, queries] = kind::classes(ways, self.shots, self.queries)?;
                let tasks = TableTasks::FewShot { ways, shots, queries, split: self.split };
                (tasks, ways * shots, ways * queries)
            }
            None => {
                let rows = self.rows.map(|rows| within("task.rows", rows, 2..=MANY)).transpose()?;
                let batch = self.batch.unwrap_or_default();
                let tasks = TableTasks::Batches {
                    batch,
                    rows,
                    epochs: within("task.epochs", self.epochs.unwrap_or(10), 1..=1_000_000)?,
                    test: self.test,
                    test_sha256: self.test_sha256,
                    held_out: within("task.held_out", self.held_out.unwrap_or(0.2), 0.0..=0.9)?,
                };
                let (support, query) = batch.points(rows.unwrap_or(ROWS));
                (tasks, support, query)
            }
        };
        let settings = TableSettings {
            train: self.train,
            train_sha256: self.train_sha256,
            label: self.label.unwrap_or_else(|| "label".to_owned()),
            ignore: self.ignore.unwrap_or_default(),
            tasks,
            features: self.features,
            classes: self.classes,
            table: Loaded::default(),
        };
        Ok((settings, support, query))
    }

    /// Refuses settings of the other tasks that rows can be made into.
    fn check_tasks(&self) -> Result<()> {
        let of_batches = [
            ("batch", self.batch.is_some()),
            ("rows", self.rows.is_some()),
            ("epochs", self.epochs.is_some()),
            ("test", self.test.is_some()),
            ("test_sha256", self.test_sha256.is_some()),
            ("held_out", self.held_out.is_some()),
        ];
        let of_classes = [
            ("shots", self.shots.is_some()),
            ("queries", self.queries.is_some()),
            ("split", self.split.is_some()),
        ];
        let (foreign, whose) = match self.ways {
            Some(_) => (&of_batches[..], "mini-batches of a table; leave task.ways out"),
            None => (&of_classes[..], "few-shot tasks of a table; give task.ways"),
        };
        match foreign.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Error::recipe(format!("task.{key}"), format!("is a setting of {whose}"))),
            None => Ok(()),
        }
    }
}

impl Batch {
    /// Support and query points of a mini-batch of `rows`.
    fn points(self, rows: usize) -> (usize, usize) {
        match self {
            Self::Both => (rows, rows),
            Self::Split => (rows / 2, rows - rows / 2),
        }
    }
}

impl TableSettings {
    /// Whether a task has classes of its own.
    #[must_use]
    pub fn is_few_shot(&self) -> bool {
        matches!(self.tasks, TableTasks::FewShot { .. })
    }

    /// The table, once read.
    pub(in crate::recipe) fn table(&self) -> Option<&Arc<LoadedTable>> {
        self.table.0.as_ref()
    }

    /// Few-shot tasks of the classes of one split.
    fn batch(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        (split, sequence): (Split, u32),
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let rows = match self.table().map(|table| &table.rows) {
            Some(TableRows::Classes([train, validation, test])) => match split {
                Split::Train => train.as_ref(),
                Split::Validation => validation.as_ref(),
                Split::Test => test.as_ref(),
            },
            Some(TableRows::Batches { .. }) | None => None,
        };
        let rows = rows.ok_or_else(|| {
            Error::recipe("task.split", format!("leaves no {split} classes to draw tasks from"))
        })?;
        let query = self.evaluation_query(draw.query, settings);
        rows.check(draw.support, query)?;
        let sampler = Draw { query, ..draw }.sampler(self.source(draw.seed)?);
        Ok(sampler.family_evaluation(rows, sequence, range))
    }

    /// Reads the file of training rows, or makes its rows.
    fn read(&mut self) -> Result<RowTable> {
        let few_shot = self.is_few_shot();
        let table = match &mut self.train {
            Some(path) => rows::read(path, &self.label, true, &self.ignore)?,
            // Few-shot tasks need many classes.
            None if few_shot => RowTable::generate(200, 20, 12, 0.9),
            None => RowTable::generate(2, 300, 20, 2.0),
        };
        rows::unchanged("task.train", &table, &mut self.train_sha256)?;
        Ok(table)
    }
}

impl Kind for TableSettings {
    fn targets(&self) -> Targets {
        match self.tasks {
            TableTasks::Batches { .. } => Targets::Classes,
            TableTasks::FewShot { .. } => Targets::ClassesOfTask,
        }
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        let outputs = match self.tasks {
            TableTasks::FewShot { ways, .. } => Some(ways),
            TableTasks::Batches { .. } => self.classes,
        };
        let known = self.features.map(Shape::Vector).zip(outputs);
        known.ok_or_else(|| Error::failed("the recipe's table is not read: call load_data first"))
    }

    fn source(&self, _: u64) -> Result<TaskSource> {
        let table = self
            .table()
            .ok_or_else(|| Error::failed("the recipe's table is not read: call load_data first"))?;
        Ok(TaskSource::Custom(Arc::clone(&table.source)))
    }

    fn counts_points(&self) -> bool {
        false
    }

    fn usual(&self, support: usize) -> Usual {
        match self.tasks {
            TableTasks::Batches { .. } => Usual { tasks: 1, points: 1024, queries: None, protocol: None },
            TableTasks::FewShot { queries, .. } => {
                Usual { tasks: 600, points: support, queries: Some(queries), protocol: None }
            }
        }
    }

    fn check_evaluation(&self, (support, _): (usize, usize), settings: &EvaluationSettings) -> Result<()> {
        match self.tasks {
            TableTasks::Batches { .. } => {
                within("evaluation.tasks", settings.tasks, 1..=1)?;
                check_points(settings, MANY)
            }
            TableTasks::FewShot { ways, .. } => check_classes(settings, support, ways),
        }
    }

    fn evaluation_query(&self, query: usize, settings: &EvaluationSettings) -> usize {
        match self.tasks {
            TableTasks::Batches { .. } => query,
            TableTasks::FewShot { ways, .. } => ways * settings.queries.unwrap_or(1),
        }
    }

    fn holds_out_tasks(&self) -> bool {
        self.is_few_shot()
    }

    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        self.batch(draw, settings, (Split::Test, 0), range)
    }

    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        split: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        self.batch(draw, settings, (split, 1), range)
    }

    fn needs_data(&self) -> bool {
        true
    }

    /// Reads the rows and settles what depends on them: mini-batches no larger than the table, and meta-iterations that go
    /// through it as often as asked for.
    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        let table = self.read()?;
        let (label, ignore) = (self.label.as_str(), self.ignore.as_slice());
        let loaded = match &mut self.tasks {
            TableTasks::Batches { batch, rows, epochs, test, test_sha256, held_out } => {
                let test = test.as_mut().map(|path| rows::read(path, label, false, ignore)).transpose()?;
                if let Some(test) = &test {
                    rows::unchanged("task.test", test, test_sha256)?;
                }
                let (share, both) = ((*held_out, loading.seed), *batch == Batch::Both);
                let loaded = rows::batches(&table, test.as_ref(), (label, ignore), share, both)?;
                let train = loaded.training_rows();
                let size = *rows.get_or_insert(ROWS.min(train));
                (*loading.support, *loading.query) = batch.points(size);
                if *loading.iterations == 0 {
                    let tasks = epochs.saturating_mul(train.div_ceil(size) as u64);
                    *loading.iterations = tasks.div_ceil(loading.meta_batch as u64);
                }
                loaded
            }
            TableTasks::FewShot { ways, split, .. } => {
                rows::classes(&table, (label, ignore), loading.seed, *ways, split)?
            }
        };
        self.features = Some(loaded.columns.features.len());
        self.classes = Some(loaded.columns.classes.len());
        self.table = Loaded(Some(Arc::new(loaded)));
        Ok(())
    }
}
