//! How far a result lies from the reference.

use fastweights::case::relative_error;
use fastweights::meta::{MetaOutput, Plan};

/// The largest error over the parts of a result, each against its own norm.
pub(crate) fn largest_error(plan: &Plan, out: &MetaOutput<f64>, reference: &MetaOutput<f64>) -> f64 {
    let p = plan.model.param_count();
    [
        relative_error(&[out.meta_loss], &[reference.meta_loss]),
        relative_error(&out.gradient[..p], &reference.gradient[..p]),
        relative_error(&out.gradient[p..], &reference.gradient[p..]),
        relative_error(&out.query_loss, &reference.query_loss),
        relative_error(&out.support_loss, &reference.support_loss),
        relative_error(&out.fast, &reference.fast),
    ]
    .into_iter()
    .fold(0.0, |worst: f64, error| if error <= worst { worst } else { error })
}
