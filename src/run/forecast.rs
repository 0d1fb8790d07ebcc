//! What a run of series forecasts for series that it has not seen.

use super::models::Models;
use crate::adapted::{Forecasts, Going, go_on, long_enough};
use crate::data::SeriesSet;
use crate::error::{Error, Result};
use crate::meta::Backend;
use crate::recipe::{Family, Recipe};
use crate::task::TaskBatch;
use std::collections::BTreeMap;

/// Forecasts `horizon` values for each series of a set: θ₀ is adapted in `steps` steps to its last windows, as many as in an
/// evaluation or as it has, and reads its own forecasts as if they were values.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if no series is long enough, [`NotFinite`](crate::ErrorKind::NotFinite) if a forecast is
/// none, and as [`Backend::evaluate`].
pub fn forecast(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    set: &SeriesSet,
    (horizon, steps): (usize, usize),
) -> Result<Forecasts> {
    let Family::Series(kind) = &recipe.task.family else {
        return Err(Error::failed("the recipe's tasks are not made of series"));
    };
    let window = kind.window;
    // A window and what follows it, to be adapted on.
    let (long, short) = long_enough(set, kind.form(horizon).scale, window + 1)?;
    let mut groups = BTreeMap::<usize, Vec<Going>>::new();
    for going in long {
        let support = (going.len() - window).min(recipe.evaluation.points);
        groups.entry(support).or_default().push(going);
    }
    let mut gone = Vec::new();
    for (support, mut group) in groups {
        for part in group.chunks_mut(256) {
            go_on_adapted(recipe, models, device, part, (support, window), (horizon, steps))?;
        }
        gone.extend(group);
    }
    Ok(Forecasts::of(set, gone, short, horizon))
}

/// Puts forecasts at the end of series that are adapted on as many windows each.
fn go_on_adapted(
    recipe: &Recipe,
    models: &Models,
    device: &dyn Backend,
    group: &mut [Going],
    (support, window): (usize, usize),
    (horizon, steps): (usize, usize),
) -> Result<()> {
    let plan = recipe.plan()?;
    let theta = plan.model.param_count();
    let plan = plan.for_evaluation(&models.maml, support, 1, steps, None);
    let mut tasks = TaskBatch::zeros(group.len(), support, 1, window, 1);
    for (slot, going) in group.iter().enumerate() {
        let (x, y) = going.windows(window, support);
        tasks.support_x[slot * support * window..][..x.len()].copy_from_slice(&x);
        tasks.support_y[slot * support..][..support].copy_from_slice(&y);
    }
    go_on(group, horizon, &mut |group| {
        for (slot, going) in group.iter().enumerate() {
            tasks.query_x[slot * window..][..window].copy_from_slice(going.last(window));
        }
        let found =
            device.evaluate(&plan, &models.maml[..theta], &tasks, true)?.predictions.unwrap_or_default();
        Ok(found[found.len() - group.len()..].to_vec())
    })
}
