use super::norm::{SHAPES, check_norm, forward, layer, normalise};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::batch_norm::FORWARD;

#[test]
fn batch_norm_is_its_formula() {
    let Some(device) = adapter::device("batch_norm_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, channels, pixels, tasks] = shape;
        let mut x = Numbers::new(tasks, points * channels * pixels, 1);
        // Far from zero, where a variance as a difference of squares would lose its digits.
        x.all.iter_mut().for_each(|x| *x += 30.0);
        let weights = Numbers::new(tasks, 2 * channels, 2);
        let y = Numbers::poisoned(tasks, points * channels * pixels);
        let stats = Numbers::poisoned(tasks, 4 * channels);
        let mut layer = layer(shape);
        (layer.x, layer.weight, layer.y, layer.stats) = (x.place, weights.place, y.place, stats.place);
        for affine in [1, 0] {
            layer.relu = (case % 2) as u32;
            let (mut expected, mut expected_stats) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let mut w = weights.task(task);
                if affine == 0 {
                    w[..channels].fill(1.0);
                    w[channels..].fill(0.0);
                }
                let mut y = forward(shape, &w, &x.task(task));
                y.iter_mut().for_each(|y| *y = if layer.relu != 0 { y.max(0.0) } else { *y });
                expected.push(y);
                let stats = normalise(shape, &x.task(task)).1.into_iter().enumerate();
                expected_stats.push(stats.flat_map(|(c, [m, r])| [m, r, w[c], w[channels + c]]).collect());
            }
            let constants = [("AFFINE", f64::from(affine))];
            let results = [(2, &expected[..]), (3, &expected_stats[..])];
            check_norm(&device, &FORWARD, &constants, &layer, &[&x, &weights, &y, &stats, &x], &results);
        }
    }
}
