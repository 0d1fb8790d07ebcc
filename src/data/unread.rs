//! What a build without the feature `import` says where a file is to be read.

use super::picture_form::{PictureClasses, PictureForm, ReadPictures};
use super::series::{SeriesColumns, SeriesSet};
use super::sheet::{Dialect, Sheet};
use crate::error::{Error, Result};
use std::path::Path;

fn refused<T>(path: &Path) -> Result<T> {
    Err(Error::file(path, "cannot be read: this build has not the feature `import` of the crate"))
}

/// No column is one of dates, as none is read.
pub(super) fn is_date(_: &str) -> bool {
    false
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

impl PictureForm {
    /// Would read pictures; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read(&self, path: &Path) -> Result<ReadPictures> {
        refused(path)
    }

    /// Would read a folder of class folders; see the feature `import`.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File), always.
    pub fn read_classes(&self, dir: &Path) -> Result<PictureClasses> {
        refused(dir)
    }
}
