//! What of a meta-gradient changes over training: the order of its derivative and the weights of its losses (MAML++;
//! Antoniou et al. 2019, section 4). Both change a few times only, so a training is a row of trainings with fixed plans.

use serde::Serialize;

/// How a plan changes over training; by default it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Annealing {
    /// Meta-iterations of first order ahead of those of the plan's own (derivative-order annealing).
    #[serde(rename = "first_order_iterations")]
    pub first_order: u64,
    /// Meta-iterations over which the loss weights go, in ten even stages, from equal ones after each of the steps 1 … K to the
    /// plan's own (multi-step loss).
    #[serde(rename = "multi_step_loss_iterations")]
    pub multi_step_loss: u64,
}
