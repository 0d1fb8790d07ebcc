//! The settings of the inner loop: the section `[inner]` of a recipe and the half of an
//! [`Algorithm`](super::Algorithm) that is about single tasks.

use super::{Adapt, Annealing, InnerOptimizer, MetaGradient, RateShape};
use serde::{Serialize, Serializer};

/// How a task is learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InnerLoop {
    /// Gradient steps K (default 1).
    pub steps: usize,
    /// Their rate, or where learned rates start (default 0.01).
    pub lr: f64,
    /// What goes back from the adapted to the initial parameters (default: the second order).
    pub order: MetaGradient,
    /// Which layers adapt (default all).
    pub adapt: Adapt,
    /// Whether the scales and shifts of batch norms adapt, else they are meta-learned only (default yes).
    pub adapt_batch_norm: bool,
    /// Which rates are learned, if any (default none).
    #[serde(serialize_with = "or_none")]
    pub learned_lr: Option<RateShape>,
    /// What learned rates are held in, `[low, high]`: an update that leaves it ends at its edge (default: anything).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_range: Option<[f64; 2]>,
    /// Weights of the query losses of θ_0 … θ_K, `[steps + 1]`; the last alone if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_weights: Option<Vec<f64>>,
    /// How a gradient becomes an inner step (default gradient descent).
    #[serde(flatten)]
    pub optimizer: InnerOptimizer,
    /// What changes over training (default nothing).
    #[serde(flatten)]
    pub annealing: Annealing,
}

impl Default for InnerLoop {
    fn default() -> Self {
        Self {
            steps: 1,
            lr: 0.01,
            order: MetaGradient::SecondOrder,
            adapt: Adapt::All,
            adapt_batch_norm: true,
            learned_lr: None,
            lr_range: None,
            loss_weights: None,
            optimizer: InnerOptimizer::default(),
            annealing: Annealing::default(),
        }
    }
}

/// Recipes say `none` where no rate is learned.
fn or_none<S: Serializer>(shape: &Option<RateShape>, to: S) -> Result<S::Ok, S::Error> {
    match shape {
        Some(shape) => shape.serialize(to),
        None => to.serialize_str("none"),
    }
}
