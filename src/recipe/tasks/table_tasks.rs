//! What is predicted of a table's rows, and what a task of it is.

use serde::{Deserialize, Serialize};

/// What is predicted of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicted {
    /// The class that this column names (default `label`).
    Label(String),
    /// The number in this column.
    Target(String),
}

/// What a task of a table is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TableTasks {
    /// A mini-batch of all rows.
    Batches {
        /// Support and query of a mini-batch (default `both`).
        batch: Batch,
        /// Rows a mini-batch (default 32, or all if there are fewer).
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
        /// Times that all rows are gone through, where `outer.iterations` is not given (default: some 100,000
        /// rows in all, each 20 to 200 times).
        #[serde(skip_serializing_if = "Option::is_none")]
        epochs: Option<u64>,
        /// A CSV file of rows to judge by or, without labels, to predict (default none).
        #[serde(skip_serializing_if = "Option::is_none")]
        test: Option<String>,
        /// SHA-256 of its bytes, once read.
        #[serde(skip_serializing_if = "Option::is_none")]
        test_sha256: Option<String>,
        /// A file of rows that a finished run is judged by in place of those; what it learned from stays the same.
        #[serde(skip)]
        judged_anew: Option<String>,
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

impl Batch {
    /// Support and query points of a mini-batch of `rows`.
    pub(super) fn points(self, rows: usize) -> (usize, usize) {
        match self {
            Self::Both => (rows, rows),
            Self::Split => (rows / 2, rows - rows / 2),
        }
    }
}
