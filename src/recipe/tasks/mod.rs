//! The kinds of tasks: a file each, which knows its settings and their defaults, where training draws from, and what is held
//! out. A new kind is such a file, and its lines in `family.rs`.

mod family;
mod images;
mod kind;
mod loaded;
mod rows;
mod series;
mod series_data;
mod sinusoid;
mod table;

pub use family::{Family, Tasks};
pub use images::ImageSettings;
pub(super) use kind::{Draw, Loading, Targets};
pub use rows::{LabelledRows, LoadedTable, TableRows};
pub use series::{Missing, Scale, SeriesCsv, SeriesSettings, SeriesSource};
pub use series_data::SeriesData;
pub use sinusoid::SinusoidSettings;
pub use table::{Batch, TableSettings, TableTasks};
