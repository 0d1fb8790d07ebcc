//! Where fields come from, as a recipe names it.

use crate::data::{Dialect, PictureReading, Ranges};
use serde::Serialize;

/// Where fields come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FieldSource {
    /// Made by the program.
    Phantoms {
        /// Pixels of a row and of a column (default 64).
        side: usize,
    },
    /// Images of a set.
    Images {
        /// Name of an imported image set, or `glyphs`.
        data: String,
        /// SHA-256 of its classes and pixels, noted when it is loaded.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_sha256: Option<String>,
        /// Pixels of a row and of a column, noted when it is loaded.
        #[serde(skip_serializing_if = "Option::is_none")]
        side: Option<usize>,
        /// Values of a pixel, noted when it is loaded.
        #[serde(skip_serializing_if = "Option::is_none")]
        channels: Option<usize>,
        /// How its pictures were read, noted when it is loaded if that is not usual.
        #[serde(skip_serializing_if = "Option::is_none")]
        reading: Option<PictureReading>,
    },
    /// Measured at scattered places, read from a file.
    Csv(Box<FieldCsv>),
}

/// A file of fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldCsv {
    /// The file.
    pub csv: String,
    /// SHA-256 of it, noted when it is first read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The column that names a row's field (default `id`).
    pub id_column: String,
    /// The columns of coordinates.
    pub coordinates: Vec<String>,
    /// The columns of values.
    pub values: Vec<String>,
    /// Fields to learn from, chosen by the seed; the others are held out (default three quarters).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_fields: Option<usize>,
    /// Least and greatest of each coordinate in the file, which are −1 and 1 to the network; noted when it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinate_ranges: Option<Ranges>,
    /// Least and greatest of each value in the fields to learn from, which are 0 and 1 to the network; noted when it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_ranges: Option<Ranges>,
    /// How the file is read, as far as it is said.
    #[serde(flatten)]
    pub dialect: Dialect,
}
