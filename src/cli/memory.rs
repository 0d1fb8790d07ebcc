//! Whether a run fits into memory, seen before it begins.

use fastweights::meta::{Backend, Forecast};
use fastweights::recipe::Recipe;
use fastweights::run::evaluation_bytes;
use fastweights::{Error, Result};

/// Refuses a run whose training or evaluation needs more of the machine's memory than there is.
pub(super) fn check(
    recipe: &Recipe,
    training: &Forecast,
    device: &dyn Backend,
    control_device: &dyn Backend,
) -> Result<()> {
    // Of the learner and its control only one is at work at a time.
    let host = |forecast: &Forecast| if forecast.host { forecast.bytes } else { 0 };
    let control = match recipe.control_plan()? {
        Some(plan) => host(&control_device.forecast(&plan)?),
        None => 0,
    };
    fits("training", host(training))?;
    fits("training of the control", control)?;
    fits("evaluation", evaluation_bytes(recipe, device)?)
}

fn fits(what: &str, needed: u64) -> Result<()> {
    match available() {
        Some(there) if needed > there => Err(Error::limit(
            format!("memory for {what}, MiB"),
            needed.div_ceil(1 << 20),
            there >> 20,
            "less is needed with a smaller outer.meta_batch, inner.steps, evaluation.steps, points a task, model, or \
             --threads",
        )),
        _ => Ok(()),
    }
}

/// Bytes that can be had, within the limits of a container; nothing where the system does not say.
fn available() -> Option<u64> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = Some(system.available_memory()).filter(|&bytes| bytes > 0)?;
    // A limit counts cached files as taken, which the system takes back when it must.
    let limit = system.cgroup_limits().map(|limits| limits.total_memory).filter(|&bytes| bytes > 0);
    Some(limit.map_or(free, |limit| free.min(limit)))
}
