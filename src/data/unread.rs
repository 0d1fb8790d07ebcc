//! What a build without the feature `import` says where a file is to be read.

use super::series::{SeriesColumns, SeriesSet};
use super::table::RowTable;
use crate::error::{Error, Result};
use std::path::Path;

fn refused<T>(path: &Path) -> Result<T> {
    Err(Error::file(path, "cannot be read: this build has not the feature `import` of the crate"))
}

impl RowTable {
    /// Would read a CSV file; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read(path: &Path, _label: &str, _required: bool, _ignore: &[String]) -> Result<Self> {
        refused(path)
    }
}

impl SeriesSet {
    /// Would read a CSV file; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read(path: &Path, _columns: &SeriesColumns, _known: Option<&str>) -> Result<Self> {
        refused(path)
    }
}
