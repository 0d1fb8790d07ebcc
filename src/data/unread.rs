//! What a build without the feature `import` says where a file is to be read.

use super::series::{SeriesColumns, SeriesSet};
use super::sheet::{Dialect, Sheet};
use crate::error::{Error, Result};
use std::path::Path;

fn refused<T>(path: &Path) -> Result<T> {
    Err(Error::file(path, "cannot be read: this build has not the feature `import` of the crate"))
}

impl Sheet {
    /// Would read a file of text; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read(path: &Path, _: &Dialect, _: &[String], _: Option<(&str, &str)>) -> Result<Self> {
        refused(path)
    }
}

impl SeriesSet {
    /// Would read a CSV file; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read(path: &Path, _: &SeriesColumns, _: &Dialect, _: Option<&str>) -> Result<Self> {
        refused(path)
    }
}
