//! The kinds of tasks: a file each, which knows its settings and their defaults, where training draws from, and what is held
//! out. A new kind is such a file, and its lines in `family.rs`.

mod family;
mod field;
mod field_data;
mod field_source;
mod field_typed;
mod images;
mod kind;
mod loaded;
mod rows;
mod series;
mod series_csv;
mod series_data;
mod sinusoid;
mod table;
mod table_tasks;
mod table_typed;

pub use family::{Family, Tasks};
pub use field::FieldSettings;
pub use field_data::FieldData;
pub use field_source::{FieldCsv, FieldSource};
pub use images::ImageSettings;
pub(super) use kind::{Draw, Loading};
pub use rows::{LabelledRows, LoadedTable, TableRows};
pub use series::{Scale, SeriesSettings, SeriesSource};
pub use series_csv::{Missing, SeriesCsv};
pub use series_data::SeriesData;
pub use sinusoid::SinusoidSettings;
pub use table::TableSettings;
pub use table_tasks::{Batch, Predicted, TableTasks};
