//! Image data sets: loaded ([`ImageSet`]), imported from published archives and folders, downloaded, and drawn by
//! the program itself ([`glyphs`]). Series from a long table ([`SeriesSet`]), tables of rows ([`RowTable`], [`Columns`]).
//!
//! Every source of images becomes one packed file, `<data directory>/<name>.safetensors`, which [`load`] reads. What an
//! import gives depends on the pictures' names and contents and on a seed, and on no order of files or archives.

mod archive;
mod columns;
mod fetch;
mod folder;
mod gather;
pub mod glyphs;
mod moment;
mod omniglot;
mod packed;
mod picture;
mod place;
mod series;
mod set;
mod split;
mod table;
mod unpacked;

pub use columns::Columns;
pub use fetch::{OMNIGLOT_ADDRESS, OMNIGLOT_FILES, RemoteFile, fetch};
pub use folder::FolderImport;
pub use omniglot::import_omniglot;
pub use place::{Stored, data_dir, load, stored};
pub use series::{SeriesColumns, SeriesSet};
pub use set::{ImageClass, ImageSet, check_name};
pub use split::{Split, split_counts};
pub use table::RowTable;

/// What an import gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// The set.
    pub set: ImageSet,
    /// Files that are no pictures and were passed over, e.g. `.DS_Store`.
    pub skipped: usize,
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
