//! Learned inner rates, for people to look at.

use crate::meta::{LayerRate, Plan};

/// What a plan has learned of its rates, from meta-parameters `[P + R]`; nothing where rates are fixed.
pub(super) fn learned_rates(plan: &Plan, params: &[f32]) -> Vec<LayerRate> {
    if !plan.rates.learned {
        return Vec::new();
    }
    let rates: Vec<f64> = params[plan.model.param_count()..].iter().map(|&rate| rate.into()).collect();
    plan.layer_rates(&rates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, parse_setting};

    fn rates(shape: &str) -> Vec<LayerRate> {
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
        let of = |layer: &str, step, rate| LayerRate { layer: layer.into(), step, rate };
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
