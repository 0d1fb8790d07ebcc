//! Inner rates layer by layer, for people to look at.

use super::{Plan, RateShape};
use serde::{Deserialize, Serialize};

/// The inner rate of one layer, at one step where steps have their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRate {
    /// The layer's name, as its parameters have it; `all` for a rate that all share.
    pub layer: String,
    /// The inner step, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The rate; where each parameter has one, their mean.
    pub rate: f64,
}

impl Plan {
    /// Inner rates, in the shape that the plan gives them, layer by layer.
    #[must_use]
    pub fn layer_rates(&self, rates: &[f64]) -> Vec<LayerRate> {
        let (model, shape) = (&self.model, self.rates.shape);
        if rates.is_empty() {
            return Vec::new();
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let steps = match shape {
            RateShape::One | RateShape::PerParameter => 1,
            RateShape::PerLayerStep | RateShape::PerParameterStep => self.steps,
        };
        let each = |step: usize, block: usize| {
            let first = self.rate_index(step, block);
            match shape {
                RateShape::One | RateShape::PerLayerStep => mean(&rates[first..=first]),
                RateShape::PerParameter | RateShape::PerParameterStep => {
                    mean(&rates[first..first + model.blocks()[block].len()])
                }
            }
        };
        let name = |block: usize| match shape {
            RateShape::One => "all".to_owned(),
            RateShape::PerLayerStep | RateShape::PerParameter | RateShape::PerParameterStep => {
                model.nodes()[model.blocks()[block].layer].name.clone()
            }
        };
        let blocks = if shape == RateShape::One { 1 } else { model.blocks().len() };
        let of = |step: usize| {
            (0..blocks).map(move |block| (step, block)).map(|(step, block)| LayerRate {
                layer: name(block),
                step: (steps > 1).then_some(step + 1),
                rate: each(step, block),
            })
        };
        (0..steps).flat_map(of).collect()
    }
}
