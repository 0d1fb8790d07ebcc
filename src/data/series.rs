//! Many series from files of text.

use super::sheet;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where a file says what; what is not said is told from the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesColumns {
    /// The columns that name a row's series, all of them together; one name may list several, with commas between.
    pub ids: Vec<String>,
    /// The column of values; several of them are a series each.
    pub values: Vec<String>,
    /// The column of times, numbers or dates.
    pub time: Option<String>,
    /// How dates are written: `day_first`, `month_first`, `number`, or a pattern of `strptime`.
    pub dates: Option<String>,
    /// How series stand in the file.
    pub layout: Option<Layout>,
    /// Whether rows without a value are left out; else they are refused.
    pub drop_missing: bool,
    /// What becomes of times that are missing between others.
    pub gaps: Gaps,
    /// What becomes of a time that a series has more than once.
    pub duplicates: Duplicates,
    /// Stretches that each series is cut into, to be a series each (1: as it is; 0 counts as 1).
    pub pieces: usize,
}

/// How series stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A row for each series and time.
    Long,
    /// A column for each series.
    Wide,
    /// A row for each series.
    Rows,
}

/// What becomes of times that are missing between others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gaps {
    /// Nothing: what stands beside a gap become neighbours. They are counted.
    #[default]
    Keep,
    /// Values on a straight line stand in for them.
    Fill,
}

/// What becomes of values of one series and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// They are an error.
    #[default]
    Refuse,
    /// Their mean stands in for them.
    Mean,
    /// Their sum does.
    Sum,
    /// The first in the file does.
    First,
    /// The last does.
    Last,
}

impl Duplicates {
    /// Whether they are an error.
    pub(crate) fn is_refuse(&self) -> bool {
        *self == Self::Refuse
    }
}

/// Series of a file, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSet {
    /// The file, or a folder of files.
    pub path: PathBuf,
    /// SHA-256 of the file as it lies there; of a folder, of its files' sums.
    pub sha256: String,
    /// Each series' name and values, in the order of time.
    pub series: Vec<(String, Vec<f64>)>,
    /// Rows without a value, left out.
    pub dropped: usize,
    /// What was told from the file that a person should know, a line each.
    pub notes: Vec<String>,
    /// For each series what its times go on with.
    pub(super) clocks: Vec<Option<Clock>>,
    /// Whether times came with zones.
    pub(super) zoned: bool,
}

/// The last time of a series, and the step between times.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "import"), allow(dead_code, reason = "no file is read"))]
pub(super) enum Clock {
    /// A number.
    Number {
        /// The last.
        last: f64,
        /// The step.
        step: f64,
    },
    /// Seconds since 1970.
    Seconds {
        /// The last.
        last: i64,
        /// The step.
        step: i64,
    },
    /// Months since the year 0.
    Months {
        /// The last.
        last: i64,
        /// The step.
        step: i64,
    },
}

impl SeriesSet {
    /// Checks that it is the file that is known.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming it if it has another SHA-256.
    pub fn check(&self, known: Option<&str>) -> Result<()> {
        sheet::check(&self.path, "task.sha256", known, &self.sha256)
    }

    /// The file's name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The `n`-th time after the last of series `i`, from 1; nothing if it has no times.
    #[must_use]
    pub fn time_after(&self, i: usize, n: usize) -> Option<String> {
        let n = n as i64;
        Some(match self.clocks[i]? {
            Clock::Number { last, step } => (last + n as f64 * step).to_string(),
            Clock::Months { last, step } => {
                let month = last + n * step;
                format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
            }
            Clock::Seconds { last, step } => day_and_time(last + n * step, self.zoned)?,
        })
    }
}

/// Seconds since 1970 as `2024-02-29`, with the time if it is not midnight, and a `Z` where times have zones.
fn day_and_time(seconds: i64, zoned: bool) -> Option<String> {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let day = day_text(days)?;
    Some(match rest {
        0 if !zoned => day,
        _ => {
            let mark = if zoned { "Z" } else { "" };
            format!("{day}T{:02}:{:02}:{:02}{mark}", rest / 3600, rest / 60 % 60, rest % 60)
        }
    })
}

#[cfg(feature = "import")]
use super::dates::day_text;

/// No date was read without the feature `import`.
#[cfg(not(feature = "import"))]
fn day_text(_: i64) -> Option<String> {
    None
}
