//! Held-out fields that a run is adapted to, and pictures of them.

use super::models::Models;
use crate::error::{Error, Result};
use crate::meta::Backend;
use crate::recipe::{EvaluationSettings, Recipe};

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
    let all = recipe.evaluation_count(&EvaluationSettings { tasks: usize::MAX, ..recipe.evaluation.clone() });
    if task >= all {
        return Err(Error::recipe("--task", format!("is {task}; there are {all} held-out fields, from 0")));
    }
    let tasks = recipe.evaluation_tasks(&recipe.evaluation, task..task + 1)?;
    let plan = recipe.plan()?;
    let theta = &models.maml[..plan.model.param_count()];
    let plan = plan.for_evaluation(&models.maml, tasks.support, tasks.query, steps, None);
    if steps == 0 { Ok(theta.to_vec()) } else { device.adapt(&plan, theta, &tasks) }
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
