use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::{UPDATE, update_shape};

#[test]
fn steps_and_sums_of_a_convolution_are_their_formulas() {
    let Some(device) = adapter::device("steps_and_sums_of_a_convolution_are_their_formulas") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let words = conv.words();
        let dz = Numbers::new(conv.tasks, conv.y(), 1);
        let x = Numbers::new(conv.tasks, conv.x(), 2);
        let weights = Numbers::new(conv.tasks, words, 3);
        let rates = Numbers::shared(words, 4);
        let per_parameter = case % 2;
        let mut layer = conv.layer();
        (layer.dz, layer.x, layer.weight) = (dz.place, x.place, weights.place);
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, per_parameter as u32);
        let (fresh, old) = (Numbers::poisoned(conv.tasks, words), Numbers::new(conv.tasks, words, 5));
        (layer.next, layer.v) = (fresh.place, fresh.place);
        for (step, adds, result) in [(1.0, 0.0, &fresh), (0.0, 0.0, &fresh), (0.0, 1.0, &old)] {
            let expected: Vec<Vec<f64>> = (0..conv.tasks)
                .map(|task| {
                    let g = conv.gradient(&dz.task(task), &x.task(task));
                    let (w, a, v) = (weights.task(task), rates.task(0), old.task(task));
                    let stepped = |e: usize| w[e] - a[e * per_parameter] * g[e];
                    let summed = |e: usize| g[e] + if adds == 1.0 { v[e] } else { 0.0 };
                    (0..words).map(|e| if step == 1.0 { stepped(e) } else { summed(e) }).collect()
                })
                .collect();
            let constants = [("STEP", step), ("ADD", adds)];
            let buffers = [&dz, &x, &weights, &rates, result];
            let size = update_shape(&layer);
            check_conv(&device, &UPDATE, &constants, &layer, size, false, &buffers, 4, &expected);
        }
    }
}

#[test]
fn stretches_of_a_sum_are_left_side_by_side() {
    let Some(device) = adapter::device("stretches_of_a_sum_are_left_side_by_side") else { return };
    for conv in Conv::ALL {
        let dz = Numbers::new(conv.tasks, conv.y(), 1);
        let x = Numbers::new(conv.tasks, conv.x(), 2);
        let unused = Numbers::poisoned(1, 1);
        // Terms that no slice of any cut divides, and stretches beyond the last term.
        for count in [2, 3, 7] {
            let mut result = Numbers::dense(conv.tasks, count * conv.words(), 3);
            result.all.fill(f32::NAN);
            let mut layer = conv.layer();
            (layer.dz, layer.x) = (dz.place, x.place);
            let mut expected = Vec::new();
            for task in 0..conv.tasks {
                let (parts, each) = conv.stretches(&dz.task(task), count);
                (layer.stretches, layer.stretch) = (count as u32, each as u32);
                expected.push(parts.iter().flat_map(|dz| conv.gradient(dz, &x.task(task))).collect());
            }
            let buffers = [&dz, &x, &unused, &unused, &result];
            let size = update_shape(&layer);
            check_conv(&device, &UPDATE, &[], &layer, size, count == 3, &buffers, 4, &expected);
        }
    }
}
