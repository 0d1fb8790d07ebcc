//! Every experiment as data: recipes as typed, resolved and checked, and the plans that follow from them.
//!
//! A recipe is TOML with the sections `[task] [model] [inner] [outer] [control] [validation] [evaluation] [run]`. What is
//! left out takes the value that [`Recipe`] documents (those of the recipe `sinusoid`). Nothing below
//! this module sees an absent setting.

mod builtin;
mod data;
mod edit;
mod evaluation;
mod limits;
mod load;
mod network;
mod plans;
mod resolve;
mod resolve_inner;
mod section;
mod settings;
mod tasks;
mod typed;
mod unused;

pub use builtin::{Builtin, builtin, builtins};
pub use edit::parse_setting;
pub use evaluation::{EvaluationSettings, Protocol};
pub use settings::{
    Control, ControlVisit, Inner, ModelSettings, Network, OnNonfinite, Outer, Recipe, RunSettings, Validation,
};
pub use tasks::{
    Batch, Family, FieldCsv, FieldData, FieldSettings, FieldSource, ImageSettings, LabelledRows, LoadedTable,
    Missing, Predicted, Scale, SeriesCsv, SeriesData, SeriesSettings, SeriesSource, SinusoidSettings,
    TableRows, TableSettings, TableTasks, Tasks,
};

#[cfg(test)]
mod tests;
