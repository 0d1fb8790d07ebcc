//! Many series from one long table: a row for each series and time.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Where a long table says what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesColumns {
    /// The column that names a row's series.
    pub id: String,
    /// The column of values.
    pub value: String,
    /// The column of times, numbers or ISO dates and times; without one, rows are taken in their order.
    pub time: Option<String>,
    /// Whether rows without a value are left out; else they are refused.
    pub drop_missing: bool,
}

/// Series of a file, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSet {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file as it lies there.
    pub sha256: String,
    /// Each series' name and values, in the order of time.
    pub series: Vec<(String, Vec<f32>)>,
    /// Rows without a value, left out.
    pub dropped: usize,
}

impl SeriesSet {
    /// Checks that it is the file that is known.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming it if it has another SHA-256.
    pub fn check(&self, known: Option<&str>) -> Result<()> {
        check(&self.path, known, &self.sha256)
    }

    /// The file's name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

/// Checks that a file is the one that is known.
pub(super) fn check(path: &Path, known: Option<&str>, found: &str) -> Result<()> {
    match known {
        Some(known) if !known.eq_ignore_ascii_case(found) => {
            let reason = format!(
                "is not the file that this recipe was run with: its SHA-256 is {found}, task.sha256 says {known}; \
                 put the old file back, or train anew"
            );
            Err(Error::file(path, reason))
        }
        _ => Ok(()),
    }
}
