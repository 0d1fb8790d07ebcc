//! Fields: the flags of `train` that say where they come from, and what is said above and beneath their table.

use super::failure::Outcome;
use super::numbers::number;
use super::out::Out;
use fastweights::run::{FieldReport, Report};
use toml::Value;

/// Where fields come from, for a recipe of fields; a file of measured points is `--csv`, its fields' column `--id-column`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct FieldArguments {
    /// An image set whose images are the fields, see `data list` (task.data)
    #[arg(long, help_heading = "Fields", value_name = "SET", conflicts_with_all = ["csv", "resume"])]
    images: Option<String>,
    /// The columns of coordinates of a file of points, e.g. x,y,t (task.coordinates)
    #[arg(long, help_heading = "Fields", value_name = "NAMES", conflicts_with = "resume")]
    coordinates: Option<String>,
    /// Its columns of values, e.g. u,v (task.values)
    #[arg(long, help_heading = "Fields", value_name = "NAMES", conflicts_with = "resume")]
    values: Option<String>,
}

impl FieldArguments {
    /// The flags with the settings of the recipe that they stand for.
    pub(super) fn settings(&self) -> Vec<(&'static str, String, Value)> {
        [
            ("--images", "data", &self.images),
            ("--coordinates", "coordinates", &self.coordinates),
            ("--values", "values", &self.values),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| Some((flag, format!("task.{key}"), Value::String(value.clone()?))))
        .collect()
    }
}

/// The line above the table of an evaluation on fields.
pub(super) fn heading(report: &Report, field: &FieldReport, rate: &str) -> String {
    let points = report.points;
    let known = match field.angles {
        Some(angles) => format!("known by {} line integrals at {angles} angles", points.support),
        None => format!("adapted on {} points", points.support),
    };
    format!(
        "PSNR, dB, on {} held-out fields ({}), {known} each, judged on {}{rate}",
        report.tasks, field.data, points.query
    )
}

/// The rates that were found for what was not meta-learned.
pub(super) fn print(report: &Report, field: &FieldReport, out: &mut Out) -> Outcome {
    let listed = |rates: &[f64]| rates.iter().map(|&rate| number(rate)).collect::<Vec<_>>().join(" and ");
    if report.inner_lr.is_none() {
        let control = match field.control_lr.is_empty() {
            true => String::new(),
            false => format!(", control {}", listed(&field.control_lr)),
        };
        out.line(&format!(
            "best rates found on fields that are not held out: standard initialisation {}{control}",
            listed(&field.standard_lr)
        ))?;
    }
    let longer = &field.standard_longer;
    out.line(&format!(
        "standard initialisation after {} steps at rate {}: {:.2} ± {:.2} dB",
        longer.steps,
        number(longer.lr),
        longer.mean,
        longer.ci95
    ))
}
