//! A file of series, as a recipe names it.

use crate::data::{Dialect, Duplicates, Gaps, Layout, SeriesColumns, SeriesSet};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A file of series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeriesCsv {
    /// The file, or a folder of such files.
    pub csv: String,
    /// SHA-256 of the file as it lies there; written down when it is first read, and checked whenever it is read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The columns that name a row's series together (default: told from the file).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub id_column: Vec<String>,
    /// The column of values, or several that are a series each (default: told from the file).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub value_column: Vec<String>,
    /// The column of times, by which rows are sorted (default: one of dates; without one rows stand in the order of time).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
    /// How dates are written: `day_first`, `month_first`, `number`, or a pattern such as `%d.%m.%Y` (default: told).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<String>,
    /// How series stand in the file (default: told).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// What becomes of rows without a value (default `refuse`).
    pub missing: Missing,
    /// What becomes of times that are missing between others (default `keep`).
    pub gaps: Gaps,
    /// What becomes of values of one series and time (default `refuse`).
    #[serde(skip_serializing_if = "Duplicates::is_refuse")]
    pub duplicates: Duplicates,
    /// Stretches that each series is cut into, to be a series each (default 1).
    pub pieces: usize,
    /// Series to learn from, chosen by the seed; the others are meta-test. By default three quarters of them, at most
    /// 3000, which is written down when the file is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_series: Option<usize>,
    /// How the file is read, as far as it is said.
    #[serde(flatten)]
    pub dialect: Dialect,
}

impl SeriesCsv {
    /// The file of a set, nothing else said.
    pub(super) fn of(set: &SeriesSet) -> Self {
        Self {
            csv: set.path.display().to_string(),
            sha256: Some(set.sha256.clone()),
            id_column: Vec::new(),
            value_column: Vec::new(),
            time_column: None,
            dates: None,
            layout: None,
            missing: Missing::default(),
            gaps: Gaps::default(),
            duplicates: Duplicates::default(),
            pieces: 1,
            train_series: None,
            dialect: Dialect::default(),
        }
    }

    /// Where the file says what.
    #[must_use]
    pub fn columns(&self) -> SeriesColumns {
        SeriesColumns {
            ids: self.id_column.clone(),
            values: self.value_column.clone(),
            time: self.time_column.clone(),
            dates: self.dates.clone(),
            layout: self.layout,
            drop_missing: self.missing == Missing::Drop,
            gaps: self.gaps,
            duplicates: self.duplicates,
            pieces: self.pieces,
        }
    }
}

/// Refuses what says nothing of how dates are written.
pub(super) fn check_dates(dates: Option<&str>) -> Result<()> {
    match dates {
        Some(said) if !said.contains('%') && !["day_first", "month_first", "number"].contains(&said) => {
            let reason = format!(
                "is `{said}`; day_first, month_first, number or a pattern such as \"%d.%m.%Y\" is needed"
            );
            Err(Error::recipe("task.dates", reason))
        }
        _ => Ok(()),
    }
}

/// A name, or a list of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Names {
    One(String),
    More(Vec<String>),
}

impl Names {
    pub(super) fn list(names: &Option<Self>) -> Vec<String> {
        match names {
            None => Vec::new(),
            Some(Self::One(name)) => vec![name.clone()],
            Some(Self::More(names)) => names.clone(),
        }
    }
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
