//! Image data sets: loaded ([`ImageSet`]), imported from published archives and folders, downloaded, and drawn by
//! the program itself ([`glyphs`]). Files of text ([`Sheet`]), tables of rows ([`Roles`],
//! [`Columns`]), series ([`SeriesSet`]).
//!
//! Every source of images becomes one packed file, `<data directory>/<name>.safetensors`, which [`load`] reads. What an
//! import gives depends on the pictures' names and contents and on a seed, and on no order of files or archives.

#[cfg(feature = "import")]
mod archive;
#[cfg(feature = "import")]
mod arff;
#[cfg(feature = "import")]
mod arrays;
#[cfg(feature = "import")]
mod clock_time;
mod columns;
#[cfg(feature = "import")]
mod compact_dates;
#[cfg(feature = "import")]
mod dates;
#[cfg(feature = "import")]
mod decode;
#[cfg(feature = "import")]
mod decoding;
#[cfg(feature = "fetch")]
mod fetch;
mod fields;
#[cfg(feature = "import")]
mod form;
#[cfg(feature = "import")]
mod found;
#[cfg(feature = "import")]
mod gather;
pub mod glyphs;
#[cfg(feature = "import")]
mod heads;
#[cfg(feature = "import")]
mod image_import;
#[cfg(feature = "import")]
mod image_layout;
#[cfg(feature = "import")]
mod image_place;
#[cfg(feature = "import")]
mod listed_layout;
#[cfg(feature = "import")]
mod lists;
#[cfg(feature = "import")]
mod months;
#[cfg(feature = "import")]
mod npy;
mod numbers;
#[cfg(feature = "import")]
mod omniglot;
#[cfg(feature = "import")]
mod opened;
mod packed;
#[cfg(feature = "import")]
mod parquet;
#[cfg(feature = "import")]
mod picture;
mod picture_form;
mod picture_reading;
#[cfg(feature = "import")]
mod pictures;
mod place;
mod role;
mod roles;
mod sentinel;
mod series;
#[cfg(feature = "import")]
mod series_file;
#[cfg(feature = "import")]
mod series_layout;
mod set;
mod sheet;
#[cfg(feature = "import")]
mod sheet_file;
#[cfg(feature = "import")]
mod sheet_rows;
#[cfg(feature = "import")]
mod spacing;
mod split;
#[cfg(feature = "import")]
mod tarball;
#[cfg(feature = "import")]
mod time_columns;
#[cfg(feature = "import")]
mod times;
#[cfg(feature = "import")]
mod units;
#[cfg(feature = "import")]
mod unpacked;
#[cfg(not(feature = "import"))]
mod unread;

pub use columns::{Coded, Coding, Columns, Feature, MissingCells, Target};
#[cfg(feature = "fetch")]
pub use fetch::{OMNIGLOT_ADDRESS, OMNIGLOT_FILES, RemoteFile, fetch};
pub use fields::{FieldColumns, FieldSet, Ranges};
#[cfg(feature = "import")]
pub use image_import::ImageImport;
#[cfg(feature = "import")]
pub use omniglot::{import_omniglot, open_omniglot};
#[cfg(feature = "import")]
pub use opened::OpenedPictures;
pub use picture_form::{PictureClasses, PictureForm, ReadPictures};
pub use picture_reading::PictureReading;
pub use place::{Stored, data_dir, load, stored};
pub use roles::{Choices, Roles};
pub use series::{Duplicates, Gaps, Layout, SeriesColumns, SeriesSet};
pub use set::{ImageClass, ImageSet, check_name};
pub use sheet::{Decimal, Dialect, Sheet, counted, listed, shown};
pub use split::{Split, split_counts};

/// What an import gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The set.
    pub set: ImageSet,
    /// Files that are no pictures and were passed over, e.g. `.DS_Store`.
    pub skipped: usize,
    /// What was told of the source, a line each, e.g. which folders are classes.
    pub told: Vec<String>,
    /// What a person should know, a line each, e.g. that characters are missing.
    pub notes: Vec<String>,
}

/// What an import or a download is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Bytes of a file are being received.
    Download,
    /// Files of an archive or a folder are being read.
    Read,
    /// Pictures are being decoded and resized.
    Decode,
}

/// How far an import or a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being done.
    pub phase: Phase,
    /// Bytes (of a download), files or pictures that are done.
    pub done: u64,
    /// How many there are; 0 if that is not known.
    pub total: u64,
}

/// Told of each step, from several threads at once.
pub type Watch<'a> = &'a (dyn Fn(Step) + Sync);
