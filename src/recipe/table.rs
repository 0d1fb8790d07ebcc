//! The settings of tasks that are made of a table's rows.

use super::resolve::{MANY, within};
use super::settings::{Family, Tasks};
use super::typed;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of a mini-batch unless the recipe says otherwise.
pub(super) const ROWS: usize = 16;

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

impl typed::Task {
    /// Keys of other kinds of tasks that were given.
    pub(super) fn not_of_tables(&self) -> Option<&'static str> {
        let foreign = [
            ("amplitude", self.amplitude.is_some()),
            ("phase", self.phase.is_some()),
            ("x", self.x.is_some()),
            ("pool", self.pool.is_some()),
            ("series", self.series.is_some()),
            ("length", self.length.is_some()),
            ("window", self.window.is_some()),
            ("data", self.data.is_some()),
            ("rotations", self.rotations.is_some()),
            ("channels", self.channels.is_some()),
            ("side", self.side.is_some()),
        ];
        foreign.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// Keys of tables alone, and whether they were given.
    pub(super) fn of_tables(&self) -> [(&'static str, bool); 13] {
        [
            ("train", self.train.is_some()),
            ("train_sha256", self.train_sha256.is_some()),
            ("label", self.label.is_some()),
            ("ignore", self.ignore.is_some()),
            ("batch", self.batch.is_some()),
            ("rows", self.rows.is_some()),
            ("epochs", self.epochs.is_some()),
            ("test", self.test.is_some()),
            ("test_sha256", self.test_sha256.is_some()),
            ("held_out", self.held_out.is_some()),
            ("split", self.split.is_some()),
            ("features", self.features.is_some()),
            ("classes", self.classes.is_some()),
        ]
    }

    pub(super) fn resolve_table(self) -> Result<Tasks> {
        let few_shot = self.ways.is_some();
        let (of_batches, of_classes) =
            ("mini-batches of a table; leave task.ways out", "few-shot tasks of a table; give task.ways");
        for (key, given, wrong, whose) in [
            ("support", self.support.is_some(), true, "sinusoids and series"),
            ("query", self.query.is_some(), true, "sinusoids and series"),
            ("batch", self.batch.is_some(), few_shot, of_batches),
            ("rows", self.rows.is_some(), few_shot, of_batches),
            ("epochs", self.epochs.is_some(), few_shot, of_batches),
            ("test", self.test.is_some(), few_shot, of_batches),
            ("test_sha256", self.test_sha256.is_some(), few_shot, of_batches),
            ("held_out", self.held_out.is_some(), few_shot, of_batches),
            ("shots", self.shots.is_some(), !few_shot, of_classes),
            ("queries", self.queries.is_some(), !few_shot, of_classes),
            ("split", self.split.is_some(), !few_shot, of_classes),
        ] {
            if given && wrong {
                return Err(Error::recipe(format!("task.{key}"), format!("is a setting of {whose}")));
            }
        }
        let (tasks, support, query) = if let Some(ways) = self.ways {
            let ways = within("task.ways", ways, 2..=1024)?;
            let shots = within("task.shots", self.shots.unwrap_or(1), 1..=1024)?;
            let queries = within("task.queries", self.queries.unwrap_or(1), 1..=1024)?;
            (TableTasks::FewShot { ways, shots, queries, split: self.split }, ways * shots, ways * queries)
        } else {
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
        };
        let family = Family::Table(TableSettings {
            train: self.train,
            train_sha256: self.train_sha256,
            label: self.label.unwrap_or_else(|| "label".to_owned()),
            ignore: self.ignore.unwrap_or_default(),
            tasks,
            features: self.features,
            classes: self.classes,
        });
        Ok(Tasks { support, query, family })
    }
}

impl Batch {
    /// Support and query points of a mini-batch of `rows`.
    pub(super) fn points(self, rows: usize) -> (usize, usize) {
        match self {
            Self::Both => (rows, rows),
            Self::Split => (rows / 2, rows - rows / 2),
        }
    }
}

impl TableSettings {
    /// Features and outputs of a model, once the table is read.
    pub(super) fn shape(&self) -> Result<(usize, usize)> {
        let outputs = match self.tasks {
            TableTasks::FewShot { ways, .. } => Some(ways),
            TableTasks::Batches { .. } => self.classes,
        };
        let known = self.features.zip(outputs);
        known.ok_or_else(|| Error::failed("the recipe's table is not read: call load_data first"))
    }

    /// Whether a task has classes of its own.
    #[must_use]
    pub fn is_few_shot(&self) -> bool {
        matches!(self.tasks, TableTasks::FewShot { .. })
    }
}
