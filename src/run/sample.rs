//! A field at any place: what a learner makes of it, between the points that it was fitted to and beyond their resolution.

use super::models::Models;
use crate::error::{Error, Result};
use crate::meta::{Backend, Plan};
use crate::recipe::{FieldSettings, Recipe};
use crate::task::TaskBatch;

/// Numbers that go in at a time.
const TURN: usize = 1 << 18;

/// Coordinates of a square of `size × size` pixels, row by row, `[size², 2]`.
#[must_use]
pub fn grid(size: usize) -> Vec<f32> {
    let middle = |part: usize| (2 * part + 1) as f32 / size as f32 - 1.0;
    (0..size * size).flat_map(|pixel| [middle(pixel % size), middle(pixel / size)]).collect()
}

/// Parameters that fit a field: the meta-learned ones after `steps` steps on a held-out field of the recipe's evaluation.
///
/// # Errors
/// [`Recipe`](crate::ErrorKind::Recipe) naming `--task` if there is no such field, and as [`Backend::adapt`].
pub fn fit(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    (task, steps): (usize, usize),
) -> Result<Vec<f32>> {
    let all = recipe.evaluation_count(&crate::recipe::EvaluationSettings {
        tasks: usize::MAX,
        ..recipe.evaluation.clone()
    });
    if task >= all {
        return Err(Error::recipe("--task", format!("is {task}; there are {all} held-out fields, from 0")));
    }
    let tasks = recipe.evaluation_tasks(&recipe.evaluation, task..task + 1)?;
    let plan = recipe.plan()?;
    let theta = &models.maml[..plan.model.param_count()];
    let plan = plan.for_evaluation(&models.maml, tasks.support, tasks.query, steps, None);
    if steps == 0 { Ok(theta.to_vec()) } else { device.adapt(&plan, theta, &tasks) }
}

/// The values of a field at places, `[places, coordinates]` from −1 to 1; `theta` are the parameters that fit it. Values are
/// `[places, values]`, as the network has them: 0 to 1 where it was fitted to such.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) if places have other coordinates than the recipe's, [`NotFinite`](crate::ErrorKind::NotFinite)
/// naming a place where a value is none, and as [`Backend::evaluate`].
pub fn sample(
    recipe: &Recipe,
    field: &FieldSettings,
    device: &dyn Backend,
    theta: &[f32],
    places: &[f32],
) -> Result<Vec<f32>> {
    let plan = recipe.plan()?;
    let (inputs, outputs) = (plan.model.inputs(), plan.model.outputs());
    // A ray of no length is a place.
    let samples = field.samples.unwrap_or(1);
    let width = inputs / samples;
    if places.len() % width != 0 {
        return Err(Error::shape("places", &[places.len() / width + 1, width], &[places.len()]));
    }
    let mut values = Vec::with_capacity(places.len() / width * outputs);
    for part in places.chunks(width * (TURN / inputs).max(1)) {
        let mut batch = TaskBatch::zeros(1, 0, part.len() / width, inputs, outputs);
        for (x, place) in batch.query_x.chunks_exact_mut(inputs).zip(part.chunks_exact(width)) {
            for (x, &coordinate) in x.chunks_exact_mut(samples).zip(place) {
                x.fill(coordinate);
            }
        }
        let plan: Plan = plan.for_evaluation(theta, 0, batch.query, 0, Some(0.0));
        values.extend(device.evaluate(&plan, theta, &batch, true)?.predictions.unwrap_or_default());
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(at) => Err(Error::not_finite(format!("the value at place {} is {}", at / outputs, values[at]))),
    }
}

/// A PNG of `size × size` pixels from values `[size², channels]`, 0 black and 1 white or a full colour: three channels are
/// colours, of any others the first is drawn.
///
/// # Errors
/// [`Failed`](crate::ErrorKind::Failed) if it cannot be encoded.
#[cfg(feature = "plot")]
pub fn png(values: &[f32], size: usize, channels: usize) -> Result<Vec<u8>> {
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let pixels: Vec<u8> = match channels {
        3 => values.iter().map(|&value| byte(value)).collect(),
        _ => values.iter().step_by(channels).map(|&value| byte(value)).collect(),
    };
    let mut bytes = Vec::new();
    let failed = |e: png::EncodingError| Error::failed(format!("a picture that PNG cannot hold: {e}"));
    let mut encoder = png::Encoder::new(&mut bytes, size as u32, size as u32);
    encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}
