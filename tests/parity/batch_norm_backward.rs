use super::norm::{SHAPES, backward, check_norm, layer, stats};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::batch_norm::{
    BACKWARD, RESULT_ADDS, RESULT_NONE, RESULT_SETS, RESULT_STEP,
};

#[test]
fn batch_norm_backward_is_its_formula() {
    let Some(device) = adapter::device("batch_norm_backward_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, channels, pixels, tasks] = shape;
        let words = points * channels * pixels;
        let (x, dy) = (Numbers::new(tasks, words, 1), Numbers::new(tasks, words, 2));
        let weights = Numbers::new(tasks, 2 * channels, 3);
        let stats = stats(shape, &x, &weights);
        let rates = Numbers::shared(2 * channels, 4);
        let (dx, result) = (Numbers::poisoned(tasks, words), Numbers::new(tasks, 2 * channels, 5));
        let mut layer = layer(shape);
        (layer.x, layer.dz, layer.dx, layer.stats) = (x.place, dy.place, dx.place, stats.place);
        (layer.next, layer.v) = (result.place, result.place);
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, (case % 2) as u32);
        layer.relu_below = (case % 2) as u32;
        for (takes, below) in [(RESULT_NONE, 1), (RESULT_STEP, 1), (RESULT_SETS, 0), (RESULT_ADDS, 1)] {
            let (mut expected_dx, mut expected) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let (x, w, old) = (x.task(task), weights.task(task), result.task(task));
                let (mut dx, dw) = backward(shape, &w, &x, &dy.task(task));
                for (dx, x) in dx.iter_mut().zip(x) {
                    *dx = if layer.relu_below != 0 && x <= 0.0 { 0.0 } else { *dx };
                }
                expected_dx.push(dx);
                let a = rates.task(0);
                let element = |e: usize| match takes {
                    RESULT_STEP => w[e] - a[e * (case % 2)] * dw[e],
                    RESULT_SETS => dw[e],
                    RESULT_ADDS => old[e] + dw[e],
                    _ => old[e],
                };
                expected.push((0..2 * channels).map(element).collect::<Vec<_>>());
            }
            let constants = [("RESULT", takes), ("BELOW", f64::from(below))];
            let buffers = [&x, &stats, &dy, &rates, &dx, &result];
            let results = [(5, &expected[..]), (4, &expected_dx[..])];
            let results = &results[..1 + below as usize];
            check_norm(&device, &BACKWARD, &constants, &layer, &buffers, results);
        }
    }
}
