//! Learned inner rates, for people to look at.

use crate::meta::{Plan, RateShape};

/// A learned rate of one layer, at one step where steps have their own.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedRate {
    /// The layer's name, as its parameters have it; `all` for a rate that all share.
    pub layer: String,
    /// The inner step, counted from 1.
    pub step: Option<usize>,
    /// The rate; where each parameter has one, their mean.
    pub rate: f64,
}

/// What a plan has learned of its rates, from meta-parameters `[P + R]`; nothing where rates are fixed.
pub(super) fn learned_rates(plan: &Plan, params: &[f32]) -> Vec<LearnedRate> {
    let model = &plan.model;
    let rates = &params[model.param_count()..];
    if !plan.rates.learned || rates.is_empty() {
        return Vec::new();
    }
    let mean =
        |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
    let steps = match plan.rates.shape {
        RateShape::One | RateShape::PerParameter => 1,
        RateShape::PerLayerStep | RateShape::PerParameterStep => plan.steps,
    };
    let each = |step: usize, block: usize| {
        let first = plan.rate_index(step, block);
        match plan.rates.shape {
            RateShape::One | RateShape::PerLayerStep => mean(&rates[first..=first]),
            RateShape::PerParameter | RateShape::PerParameterStep => {
                mean(&rates[first..first + model.blocks()[block].len()])
            }
        }
    };
    let name = |block: usize| match plan.rates.shape {
        RateShape::One => "all".to_owned(),
        RateShape::PerLayerStep | RateShape::PerParameter | RateShape::PerParameterStep => {
            let param = model.params().iter().find(|param| param.block == block);
            param.map_or_else(
                || block.to_string(),
                |param| param.name.rsplit_once('.').map_or(&*param.name, |(layer, _)| layer).to_owned(),
            )
        }
    };
    let blocks = if plan.rates.shape == RateShape::One { 1 } else { model.blocks().len() };
    let of = |step: usize| {
        (0..blocks).map(move |block| (step, block)).map(|(step, block)| LearnedRate {
            layer: name(block),
            step: (steps > 1).then_some(step + 1),
            rate: each(step, block),
        })
    };
    (0..steps).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, parse_setting};

    fn rates(shape: &str) -> Vec<LearnedRate> {
        let settings =
            [format!("inner.learned_lr={shape}"), "inner.steps=2".into(), "model.hidden=[3]".into()];
        let settings = settings.map(|text| parse_setting(&text).unwrap());
        let plan = Recipe::load("sinusoid", &settings).unwrap().plan().unwrap();
        // The n-th rate is n.
        let params: Vec<f32> = vec![0.0; plan.model.param_count()]
            .into_iter()
            .chain((0..plan.learned_rates()).map(|i| i as f32))
            .collect();
        learned_rates(&plan, &params)
    }

    #[test]
    fn every_shape_has_its_layers_and_steps() {
        let of = |layer: &str, step, rate| LearnedRate { layer: layer.into(), step, rate };
        assert_eq!(rates("one"), [of("all", None, 0.0)]);
        let steps = [("0", 1, 0.0), ("2", 1, 1.0), ("0", 2, 2.0), ("2", 2, 3.0)];
        assert_eq!(rates("per_layer_step"), steps.map(|(layer, step, rate)| of(layer, Some(step), rate)));
        // Six parameters, then four.
        assert_eq!(rates("per_parameter"), [of("0", None, 2.5), of("2", None, 7.5)]);
        let steps = [("0", 1, 2.5), ("2", 1, 7.5), ("0", 2, 12.5), ("2", 2, 17.5)];
        assert_eq!(rates("per_parameter_step"), steps.map(|(layer, step, rate)| of(layer, Some(step), rate)));
        assert_eq!(rates("none"), []);
    }
}
