//! What batch norms are frozen at: the statistics of the points that a model was adapted on.

use super::outputs;
use crate::error::Result;
use crate::meta::Backend;
use crate::model::{Model, NormStatistics, Value};
use std::borrow::Cow;

/// Mean and biased variance of what goes into each batch norm, over the points `x: [points, inputs]`; the norms below take
/// the statistics of the same points, as they do in adaptation.
pub(super) fn statistics(
    device: &dyn Backend,
    model: &Model,
    theta: &[f32],
    x: &[f32],
) -> Result<Vec<NormStatistics>> {
    let mut all = Vec::new();
    for norm in model.norms() {
        let input = norm.inputs[0];
        let values = match input {
            Value::INPUT => Cow::Borrowed(x),
            value => {
                let (part, theta) = model.up_to(value, theta)?;
                Cow::Owned(outputs(device, &part, &theta, x)?)
            }
        };
        let (shape, _) = model.value(input);
        all.push(of_channels(&values, shape.features(), shape.pixels()));
    }
    Ok(all)
}

/// Statistics of `values: [points, channels, pixels]`, channel by channel.
fn of_channels(values: &[f32], channels: usize, pixels: usize) -> NormStatistics {
    let planes = |channel: usize| values.chunks_exact(pixels).skip(channel).step_by(channels).flatten();
    let count = (values.len() / channels) as f64;
    let of = |channel: usize| {
        let mean = planes(channel).map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = planes(channel).map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
        (mean as f32, variance as f32)
    };
    let (mean, variance) = (0..channels).map(of).unzip();
    NormStatistics { mean, variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_taken_apart() {
        // Two points, two channels, two pixels.
        let found = of_channels(&[1.0, 2.0, 10.0, 10.0, 3.0, 6.0, 10.0, 14.0], 2, 2);
        assert_eq!((found.mean, found.variance), (vec![3.0, 11.0], vec![3.5, 3.0]));
    }
}
