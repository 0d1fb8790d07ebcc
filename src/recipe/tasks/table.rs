//! Rows of a table, a class or a number each: mini-batches of all of them, or n-way k-shot tasks.

use super::kind::{Draw, Kind, Loading, Targets, Usual, check_classes, check_points};
use super::loaded::{Loaded, still_there};
use super::rows::{self, HeldOut, LoadedTable, TableRows};
use super::table_tasks::{Batch, Predicted, TableTasks};
use crate::data::{Choices, Dialect, MissingCells, Sheet, Split};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::{MANY, within};
use crate::task::{TaskBatch, TaskFamily as _, TaskSource};
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a mini-batch unless the recipe says otherwise.
pub(super) const ROWS: usize = 32;

/// A table of rows with a class or a number each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableSettings {
    /// The CSV file of training rows, absolute once read; absent: rows that the program makes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// SHA-256 of its bytes, once read; another file is refused then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_sha256: Option<String>,
    /// What is predicted.
    #[serde(flatten)]
    pub predicted: Predicted,
    /// Columns that are no features (default none).
    pub ignore: Vec<String>,
    /// Columns that are features, although they seem to number the rows or to be text (default none).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Columns of numbers that are categories (default none; columns of words always are).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// What becomes of cells without a value (default `refuse`).
    pub missing: MissingCells,
    /// How the files are read, as far as it is said.
    #[serde(flatten)]
    pub dialect: Dialect,
    /// What a task is.
    #[serde(flatten)]
    pub tasks: TableTasks,
    /// Inputs of the network, once read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<usize>,
    /// Classes of the file, once read; none where a number is predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    #[serde(skip)]
    pub(in crate::recipe) table: Loaded<LoadedTable>,
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
        let ways = rows.ways();
        let rows = &rows.uneven(draw.support / ways, query / ways)?;
        rows.check(draw.support, query)?;
        let sampler = Draw { query, ..draw }.sampler(self.source(draw.seed)?);
        Ok(sampler.family_evaluation(rows, sequence, range))
    }

    /// The column that is predicted.
    #[must_use]
    pub fn column(&self) -> &str {
        match &self.predicted {
            Predicted::Label(column) | Predicted::Target(column) => column,
        }
    }

    /// Whether a number is predicted, not a class.
    #[must_use]
    pub fn is_regression(&self) -> bool {
        matches!(self.predicted, Predicted::Target(_))
    }

    /// Takes the rows of a file to be judged by.
    pub(in crate::recipe) fn judge_on(&mut self, path: &std::path::Path) -> Result<()> {
        let TableTasks::Batches { judged_anew, .. } = &mut self.tasks else { return Ok(()) };
        let text = path.to_str().ok_or_else(|| Error::file(path, "is no name in UTF-8"))?;
        *judged_anew = Some(text.to_owned());
        Ok(())
    }

    /// Reads the file of training rows, or makes its rows.
    fn read(&mut self) -> Result<Sheet> {
        let few_shot = self.is_few_shot();
        let sheet = match &mut self.train {
            Some(path) => {
                let (path, known) = (absolute(path)?, self.train_sha256.as_deref());
                still_there(path.as_ref(), known, "--train")?;
                Sheet::read(path.as_ref(), &self.dialect, &[], known.map(|sum| ("task.train_sha256", sum)))?
            }
            // Few-shot tasks need many classes.
            None if few_shot => Sheet::generate(200, 20, 12, 0.9),
            None => Sheet::generate(2, 300, 20, 2.0),
        };
        self.train_sha256 = Some(sheet.sha256.clone());
        Ok(sheet)
    }
}

/// Makes a path absolute.
fn absolute(path: &mut String) -> Result<String> {
    let absolute =
        std::path::absolute(&*path).map_err(|e| Error::file_caused(&*path, "cannot be found", e))?;
    // It was valid UTF-8 before; the working directory may not be.
    if let Some(text) = absolute.to_str() {
        text.clone_into(path);
    }
    Ok(path.clone())
}

/// Times that `rows` training rows are gone through unless the recipe says: some 100,000 rows in all, each 20 to 200 times.
fn usual_epochs(rows: usize) -> u64 {
    (100_000 / rows.max(1) as u64).clamp(20, 200)
}

impl Kind for TableSettings {
    fn targets(&self) -> Targets {
        match self.tasks {
            TableTasks::Batches { .. } if self.is_regression() => Targets::Numbers,
            TableTasks::Batches { .. } => Targets::Classes,
            TableTasks::FewShot { .. } => Targets::ClassesOfTask,
        }
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        let outputs = match self.tasks {
            TableTasks::FewShot { ways, .. } => Some(ways),
            TableTasks::Batches { .. } if self.is_regression() => Some(1),
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

    fn counts_epochs(&self) -> bool {
        !self.is_few_shot()
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

    /// Rows of mini-batches are tried as they are judged, by a class or number each.
    fn validation_count(&self, asked: usize) -> usize {
        if self.is_few_shot() { asked } else { 1 }
    }

    fn trials_cost(&self) -> bool {
        !self.is_few_shot()
    }

    fn needs_data(&self) -> bool {
        true
    }

    /// Reads the rows and settles what depends on them: mini-batches no larger than the table, and meta-iterations that go
    /// through it as often as asked for.
    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        let sheet = self.read()?;
        let (column, regression) = match &self.predicted {
            Predicted::Label(column) => (column, false),
            Predicted::Target(column) => (column, true),
        };
        let choices = Choices {
            label: column,
            regression,
            ignore: &self.ignore,
            keep: &self.keep,
            categories: &self.categories,
            missing: self.missing,
        };
        let loaded = match &mut self.tasks {
            TableTasks::Batches { batch, rows, epochs, test, test_sha256, judged_anew, held_out } => {
                let read = |path: &mut String, known| {
                    let names = if sheet.named { &sheet.columns[..] } else { &[] };
                    Sheet::read(absolute(path)?.as_ref(), &self.dialect, names, known)
                };
                let known = test_sha256.as_deref().map(|sum| ("task.test_sha256", sum));
                let test = test.as_mut().map(|path| read(path, known)).transpose()?;
                let anew = judged_anew.as_mut().map(|path| read(path, None)).transpose()?;
                *test_sha256 = test.as_ref().map(|test| test.sha256.clone());
                let held_out = HeldOut { share: *held_out, seed: loading.seed, trials: loading.trials };
                let both = *batch == Batch::Both;
                let loaded =
                    rows::batches(&sheet, (test.as_ref(), anew.as_ref()), &choices, &held_out, both)?;
                let train = loaded.training_rows();
                let size = *rows.get_or_insert(ROWS.min(train));
                (*loading.support, *loading.query) = batch.points(size);
                if *loading.iterations == 0 {
                    let epochs = *epochs.get_or_insert(usual_epochs(train));
                    let tasks = epochs.saturating_mul(train.div_ceil(size) as u64);
                    *loading.iterations = tasks.div_ceil(loading.meta_batch as u64);
                }
                loaded
            }
            TableTasks::FewShot { ways, shots, queries, split } => {
                rows::classes(&sheet, &choices, (loading.seed, *ways), (*shots, *queries), split)?
            }
        };
        self.features = Some(loaded.columns.width());
        self.classes = Some(loaded.columns.outputs()).filter(|_| !regression);
        self.table = Loaded(Some(Arc::new(loaded)));
        Ok(())
    }
}
