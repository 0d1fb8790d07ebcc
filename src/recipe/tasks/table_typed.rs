//! The settings of a table as typed.

use super::kind;
use super::loaded::Loaded;
use super::table::{ROWS, TableSettings};
use super::table_tasks::{Batch, Predicted, TableTasks};
use crate::data::{Decimal, Dialect, MissingCells};
use crate::error::{Error, Result};
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::section;

section!(Typed {
    ways: usize,
    shots: usize,
    queries: usize,
    train: String,
    train_sha256: String,
    label: String,
    target: String,
    ignore: Vec<String>,
    keep: Vec<String>,
    categories: Vec<String>,
    missing: MissingCells,
    separator: String,
    decimal: Decimal,
    encoding: String,
    header: bool,
    missing_values: Vec<String>,
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
                    epochs: self.epochs.map(|n| within("task.epochs", n, 1..=1_000_000)).transpose()?,
                    test: self.test,
                    test_sha256: self.test_sha256,
                    judged_anew: None,
                    held_out: within("task.held_out", self.held_out.unwrap_or(0.2), 0.0..=0.9)?,
                };
                let (support, query) = batch.points(rows.unwrap_or(ROWS));
                (tasks, support, query)
            }
        };
        let dialect = Dialect {
            separator: self.separator,
            decimal: self.decimal,
            encoding: self.encoding,
            header: self.header,
            missing_values: self.missing_values.unwrap_or_default(),
        };
        dialect.check()?;
        let settings = TableSettings {
            train: self.train,
            train_sha256: self.train_sha256,
            predicted: match self.target {
                Some(column) => Predicted::Target(column),
                None => Predicted::Label(self.label.unwrap_or_else(|| "label".to_owned())),
            },
            ignore: self.ignore.unwrap_or_default(),
            keep: self.keep.unwrap_or_default(),
            categories: self.categories.unwrap_or_default(),
            missing: self.missing.unwrap_or_default(),
            dialect,
            tasks,
            features: self.features,
            classes: self.classes,
            table: Loaded::default(),
        };
        Ok((settings, support, query))
    }

    /// Refuses settings of the other tasks that rows can be made into, and of files where rows are generated.
    fn check_tasks(&self) -> Result<()> {
        if self.target.is_some() && self.label.is_some() {
            return Err(Error::recipe(
                "task.target",
                "and task.label are two ways to say what is predicted; keep one",
            ));
        }
        if self.target.is_some() && self.ways.is_some() {
            return Err(Error::recipe(
                "task.target",
                "is a setting of mini-batches of a table; leave task.ways out",
            ));
        }
        let of_file = [
            ("target", self.target.is_some()),
            ("label", self.label.as_deref().is_some_and(|label| label != "label")),
            ("ignore", self.ignore.as_ref().is_some_and(|columns| !columns.is_empty())),
            ("keep", self.keep.is_some()),
            ("categories", self.categories.is_some()),
            ("missing", self.missing.is_some_and(|missing| missing != MissingCells::Refuse)),
            ("separator", self.separator.is_some()),
            ("decimal", self.decimal.is_some()),
            ("encoding", self.encoding.is_some()),
            ("header", self.header.is_some()),
            ("missing_values", self.missing_values.is_some()),
            ("test", self.test.is_some()),
        ];
        if let (None, Some((key, _))) = (&self.train, of_file.iter().find(|(_, given)| *given)) {
            let reason = "needs task.train, the file that it is about (--train FILE)";
            return Err(Error::recipe(format!("task.{key}"), reason));
        }
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
