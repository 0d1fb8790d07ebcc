use super::{Numbers, adapter, check, layer, run};
use fastweights::backend::gpu::kernels::rooms::conv2d::{SUMS_WORKGROUP, UPDATE_SUMS};

/// Stretches, inputs, outputs, tasks.
const SHAPES: [[usize; 4]; 4] = [[1, 1, 1, 1], [2, 9, 64, 2], [13, 5, 11, 3], [32, 27, 7, 2]];

#[test]
fn stretches_are_added_up_and_used() {
    let Some(device) = adapter::device("stretches_are_added_up_and_used") else { return };
    for (case, [stretches, inputs, outputs, tasks]) in SHAPES.into_iter().enumerate() {
        let words = outputs * (inputs + 1);
        let sums = Numbers::dense(tasks, stretches * words, 1);
        let weights = Numbers::new(tasks, words, 2);
        let rates = Numbers::shared(words, 3);
        let per_parameter = case % 2;
        let mut layer = layer([1, inputs, outputs, tasks]);
        layer.stretches = stretches as u32;
        layer.weight = weights.place;
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, per_parameter as u32);
        let (fresh, old) = (Numbers::poisoned(tasks, words), Numbers::new(tasks, words, 4));
        (layer.next, layer.v) = (fresh.place, fresh.place);
        for (step, adds, result) in [(1.0, 0.0, &fresh), (0.0, 0.0, &fresh), (0.0, 1.0, &old)] {
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (all, w, a) = (sums.task(task), weights.task(task), rates.task(0));
                    let old = old.task(task);
                    let g = |e: usize| (0..stretches).map(|z| all[z * words + e]).sum::<f64>();
                    let stepped = |e: usize| w[e] - a[e * per_parameter] * g(e);
                    (0..words).map(|e| if step == 1.0 { stepped(e) } else { g(e) + adds * old[e] }).collect()
                })
                .collect();
            let constants = [("STEP", step), ("ADD", adds)];
            let workgroups = [(words as u32).div_ceil(SUMS_WORKGROUP), tasks as u32, 1];
            let buffers = [&sums, &weights, &rates, result];
            let after = run(&device, &UPDATE_SUMS, &constants, &layer, &buffers, workgroups);
            check(&format!("{layer:?}"), &result.all, &after[3], &expected);
        }
    }
}
