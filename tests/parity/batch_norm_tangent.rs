use super::norm::{SHAPES, check_norm, forward, layer, slope, stats};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::batch_norm::TANGENT;

#[test]
fn the_tangent_of_batch_norm_is_its_slope() {
    let Some(device) = adapter::device("the_tangent_of_batch_norm_is_its_slope") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, channels, pixels, tasks] = shape;
        let words = points * channels * pixels;
        let (x, x_dot) = (Numbers::new(tasks, words, 1), Numbers::new(tasks, words, 2));
        let weights = Numbers::new(tasks, 2 * channels, 3);
        let stats = stats(shape, &x, &weights);
        let (rates, v) = (Numbers::shared(2 * channels, 4), Numbers::new(tasks, 2 * channels, 5));
        let (y, y_dot) = (Numbers::new(tasks, words, 6), Numbers::poisoned(tasks, words));
        let record = Numbers::new(tasks, 8 * channels, 7);
        let mut layer = layer(shape);
        (layer.x, layer.x_dot, layer.stats) = (x.place, x_dot.place, stats.place);
        (layer.v, layer.y, layer.y_dot) = (v.place, y.place, y_dot.place);
        (layer.record, layer.record_words) = (record.place, 8);
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, (case % 2) as u32);
        for (adapted, moves, relu) in [(1, 1, 1), (1, 0, 0), (0, 1, 0)] {
            (layer.adapted, layer.input_moves, layer.relu) = (3 * adapted, moves, relu);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (a, v, y) = (rates.task(0), v.task(task), y.task(task));
                    let u = |(e, v): (usize, &f64)| f64::from(adapted) * a[e * (case % 2)] * v;
                    let u: Vec<f64> = v.iter().enumerate().map(u).collect();
                    let x_dot: Vec<f64> = x_dot.task(task).iter().map(|d| f64::from(moves) * d).collect();
                    let (w, x) = (weights.task(task), x.task(task));
                    let mut y_dot = slope(&[&w, &x], &[&u, &x_dot], |at| forward(shape, &at[0], &at[1]));
                    for (y_dot, y) in y_dot.iter_mut().zip(y) {
                        *y_dot = if relu == 1 && y <= 0.0 { 0.0 } else { *y_dot };
                    }
                    y_dot
                })
                .collect();
            let buffers = [&x, &x_dot, &stats, &rates, &v, &y, &y_dot, &record];
            check_norm(&device, &TANGENT, &[], &layer, &buffers, &[(6, &expected)]);
        }
    }
}
