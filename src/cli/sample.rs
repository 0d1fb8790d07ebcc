//! `sample`: a field at any resolution, or at given places.

use super::device::DeviceArguments;
use super::failure::{Outcome, note, warn};
use super::out::Out;
use super::tabular::check_writable;
use fastweights::data::{Dialect, read_places};
use fastweights::recipe::{FieldSettings, FieldSource, Recipe};
use fastweights::run::{Models, RunDir, fit, grid, png, sample, write_atomic};
use fastweights::{Error, Result};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Draw a field that a run of fields has learned, at any resolution, or evaluate it at given places.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// Fit this held-out field first, counted from 0 [default: none, the meta-learned start as it is]
    #[arg(long, value_name = "N")]
    task: Option<usize>,
    /// Steps of adaptation to it [default: inner.steps of the recipe]
    #[arg(long, value_name = "K", requires = "task")]
    steps: Option<usize>,
    /// Pixels of a row and of a column of the picture
    #[arg(long, value_name = "S", default_value_t = 512, conflicts_with = "csv")]
    size: usize,
    /// Evaluate at the places of this file instead, whose columns are the coordinates (of images x and y, −1 to 1, y down)
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The PNG or, with --csv, the CSV to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The directory of image sets [default: FASTWEIGHTS_DATA, or the user's own]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let dir = RunDir::open(&arguments.run)?;
    let mut recipe = dir.recipe()?;
    let Some(field) = recipe.field().cloned() else {
        let reason =
            format!("is a run of `{}`, whose tasks are no fields; nothing can be drawn of it", recipe.name);
        return Err(Error::file(dir.path(), reason).into());
    };
    if !(1..=16_384).contains(&arguments.size) {
        return Err(Error::recipe("--size", format!("is {}; allowed are 1 to 16384", arguments.size)).into());
    }
    check_writable(&arguments.out)?;
    let places = arguments.places(&field)?;
    if arguments.task.is_some() {
        recipe.load_data(arguments.data.as_deref())?;
    }
    recipe.control.enabled = false;
    let models = Models::load(&dir, &recipe, &mut warn)?;
    let device = arguments.device.open(recipe.run.max_memory.map(|size| size.as_u64()))?;
    let theta = match arguments.task {
        Some(task) => {
            let steps = arguments.steps.unwrap_or(recipe.inner.settings.steps);
            fit(&recipe, &models, &*device.backend, (task, steps))?
        }
        None => models.maml[..recipe.model()?.param_count()].to_vec(),
    };
    let values = sample(&recipe, &field, &*device.backend, &theta, &places)?;
    arguments.write(&recipe, &field, &values, out)
}

/// Names of coordinates and values.
fn names(field: &FieldSettings) -> [Vec<String>; 2] {
    let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match &field.source {
        FieldSource::Csv(csv) => [csv.coordinates.clone(), csv.values.clone()],
        FieldSource::Phantoms { .. } => [of(&["x", "y"]), of(&["value"])],
        FieldSource::Images { channels, .. } => {
            [of(&["x", "y"]), of(if *channels == Some(3) { &["red", "green", "blue"] } else { &["value"] })]
        }
    }
}

impl Arguments {
    /// Coordinates of the places that are asked for, −1 to 1.
    fn places(&self, field: &FieldSettings) -> Result<Vec<f32>> {
        let [coordinates, _] = names(field);
        let Some(path) = &self.csv else {
            return match coordinates.len() {
                2 => Ok(grid(self.size)),
                n => {
                    let reason =
                        format!("draws fields of two coordinates; these have {n}: give places by --csv FILE");
                    Err(Error::recipe("--size", reason))
                }
            };
        };
        let read = read_places(path, &coordinates, &Dialect::default())?;
        Ok(match &field.source {
            FieldSource::Csv(csv) => match &csv.coordinate_ranges {
                Some(ranges) => ranges.to_coordinates(&read),
                None => return Err(Error::failed("the run has not read its file yet")),
            },
            FieldSource::Phantoms { .. } | FieldSource::Images { .. } => {
                read.iter().map(|&coordinate| coordinate as f32).collect()
            }
        })
    }

    fn write(&self, recipe: &Recipe, field: &FieldSettings, values: &[f32], out: &mut Out) -> Outcome {
        let [coordinates, names] = names(field);
        let path = self.out.display();
        let Some(places) = &self.csv else {
            if !matches!(names.len(), 1 | 3) {
                note(&format!("{} values at a place: `{}` is drawn", names.len(), names[0]));
            }
            write_atomic(&self.out, &png(values, self.size, names.len())?)?;
            return out.line(&format!("{path}: {0} × {0} pixels of a field of {1}", self.size, recipe.name));
        };
        let read = read_places(places, &coordinates, &Dialect::default())?;
        let values: Vec<f64> = match &field.source {
            FieldSource::Csv(csv) => {
                csv.value_ranges.as_ref().map_or_else(Vec::new, |ranges| ranges.from_values(values))
            }
            FieldSource::Phantoms { .. } | FieldSource::Images { .. } => {
                values.iter().map(|&value| f64::from(value)).collect()
            }
        };
        let mut text = [&coordinates[..], &names[..]].concat().join(",") + "\n";
        let rows = read.chunks_exact(coordinates.len()).zip(values.chunks_exact(names.len()));
        let count = rows.len();
        for (place, values) in rows {
            let cells: Vec<_> = place
                .iter()
                .map(ToString::to_string)
                .chain(values.iter().map(|&value| (value as f32).to_string()))
                .collect();
            let _ = writeln!(text, "{}", cells.join(","));
        }
        write_atomic(&self.out, text.as_bytes())?;
        out.line(&format!("{path}: {} at {count} places", names.join(", ")))
    }
}
