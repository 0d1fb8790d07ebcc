//! What a run has learned, to be adapted to a task of one's own.

use super::dir::RunDir;
use super::models::Models;
use crate::adapted::{Adaptation, Adapted, Examples, ImageForm, Origin, PointColumns, Signature, Start};
use crate::data::{Columns, PictureForm, Target};
use crate::error::{Error, Result};
use crate::meta::Backend;
use crate::philox::{Philox, Purpose, below};
use crate::recipe::{Family, LabelledRows, Recipe, TableRows};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

impl RunDir {
    /// What a run has learned: the checkpoint that is to be judged, the best one by trials or else the newest. What is damaged
    /// is passed over for what is older, and told to `warn`.
    ///
    /// # Errors
    /// As [`Checkpoints::load`](super::Checkpoints::load), and where the run's `columns.toml` cannot be read.
    pub fn start(&self, recipe: &Recipe, warn: &mut dyn FnMut(&Error)) -> Result<Start> {
        let (place, state) = self.chosen(&recipe.plan()?, warn)?;
        let path = place.model_path(state.iteration);
        let bytes = std::fs::read(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
        let inside = path.strip_prefix(self.path()).unwrap_or(&path).to_string_lossy().into_owned();
        let columns = match &recipe.task.family {
            Family::Table(_) => Some(Columns::read(&self.columns())?),
            Family::Sinusoid(_) | Family::Series(_) | Family::Images(_) | Family::Field(_) => None,
        };
        let origin = Origin {
            run: self.path().display().to_string(),
            recipe: recipe.name.clone(),
            checkpoint: inside,
            checkpoint_sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
            seed: recipe.seed,
            iterations: state.iteration,
        };
        start(recipe, columns, origin, state.params)
    }
}

/// What to adapt from, with what the kind of tasks says of inputs and outputs.
pub(super) fn start(
    recipe: &Recipe,
    columns: Option<Columns>,
    origin: Origin,
    params: Vec<f32>,
) -> Result<Start> {
    let signature = match (&recipe.task.family, columns) {
        (Family::Sinusoid(_), _) => {
            Signature::Points(PointColumns { inputs: vec!["x".to_owned()], outputs: vec!["y".to_owned()] })
        }
        (Family::Series(series), _) => Signature::Series(series.form(recipe.task.query)),
        (Family::Field(field), _) => Signature::Field(field.form()?),
        (Family::Images(images), _) => {
            let (channels, side) = images
                .form()
                .ok_or_else(|| Error::failed("the images are not loaded: call load_data first"))?;
            let pictures = PictureForm::of_set(images.reading(), channels, side);
            Signature::Images(ImageForm { pictures, classes: Vec::new() })
        }
        (Family::Table(table), Some(columns)) => Signature::Table(match table.is_few_shot() {
            // Each task has classes of its own.
            true => Columns { target: Target::Classes { classes: Vec::new() }, ..columns },
            false => columns,
        }),
        (Family::Table(_), None) => {
            return Err(Error::failed("the recipe's table is not read: call load_data first"));
        }
    };
    Ok(Start { origin, plan: recipe.plan()?, params, signature })
}

/// The model as a run of it predicts: at θ₀, or after `steps` steps on training rows of a table; batch norms frozen on
/// training rows.
///
/// # Errors
/// As [`Start::adapt`]; if training rows are needed and not loaded, or if tasks have classes of their own.
pub fn ready(recipe: &Recipe, start: &Start, device: &dyn Backend, steps: usize) -> Result<Adapted> {
    let support = match steps > 0 || needs_points(start) {
        true => support_rows(recipe, recipe.evaluation.points)?,
        false => LabelledRows::default(),
    };
    let path = recipe.table().map_or_else(PathBuf::new, |table| PathBuf::from(&table.name));
    let points = support.numbers.len();
    let y = support.y.unwrap_or_default();
    let examples = Examples { path, x: support.x, y, points, what: "rows", notes: Vec::new() };
    start.adapt(device, &examples, Adaptation { steps, rate: None })
}

/// Whether a model has batch norms, which must be frozen on some points.
#[must_use]
pub fn needs_points(start: &Start) -> bool {
    start.plan.model.norms().next().is_some()
}

/// Training rows to adapt on: all, or `most` of them, chosen by the seed.
pub(super) fn support_rows(recipe: &Recipe, most: usize) -> Result<LabelledRows> {
    let rows = recipe.table().map(|table| (&table.rows, table.columns.width()));
    let Some((TableRows::Batches { train, .. }, width)) = rows else {
        return Err(Error::failed(
            "the recipe's table has no mini-batches, or is not read: call load_data first",
        ));
    };
    if train.numbers.len() <= most {
        return Ok(train.clone());
    }
    let mut places: Vec<_> = (0..train.numbers.len()).collect();
    let mut words = Philox::stream(recipe.seed, Purpose::Evaluate, 0, 0);
    for i in 0..most {
        let other = i + below(words.word(), (places.len() - i) as u32) as usize;
        places.swap(i, other);
    }
    places.truncate(most);
    Ok(LabelledRows {
        x: places.iter().flat_map(|&row| &train.x[row * width..][..width]).copied().collect(),
        y: train.y.as_ref().map(|y| places.iter().map(|&row| y[row]).collect()),
        numbers: places.iter().map(|&row| train.numbers[row]).collect(),
    })
}

/// What a finished run has to predict, without adaptation: the rows of a test file, or those that were held out. Nothing
/// where tasks have classes of their own.
///
/// # Errors
/// As [`ready`] and [`Adapted::predict`].
pub fn table_predictions(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
) -> Result<Option<crate::adapted::Answers>> {
    let Some(table) = recipe.table() else { return Ok(None) };
    let TableRows::Batches { judged, unlabelled, .. } = &table.rows else { return Ok(None) };
    let rows = unlabelled.as_ref().unwrap_or(judged);
    let start = start(recipe, Some(table.columns.clone()), Origin::default(), models.maml.clone())?;
    let inputs = crate::adapted::Inputs::Examples {
        head: vec!["row".to_owned()],
        examples: rows.numbers.iter().map(|number| vec![number.to_string()]).collect(),
        x: rows.x.clone(),
        notes: Vec::new(),
    };
    ready(recipe, &start, device, 0)?.predict(device, &inputs, 0).map(Some)
}
