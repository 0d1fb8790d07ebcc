use super::{Numbers, SHAPES, adapter, check_cuts, layer};
use fastweights::backend::gpu::kernels::rooms::linear::UPDATE;

/// `dzᵀ [x, 1]`, weights then biases.
pub(super) fn gradient([points, inputs, outputs, _]: [usize; 4], dz: &[f64], x: &[f64]) -> Vec<f64> {
    let mut g = vec![0.0; outputs * (inputs + 1)];
    for p in 0..points {
        for o in 0..outputs {
            for i in 0..inputs {
                g[o * inputs + i] += dz[p * outputs + o] * x[p * inputs + i];
            }
            g[outputs * inputs + o] += dz[p * outputs + o];
        }
    }
    g
}

#[test]
fn steps_and_sums_are_their_formulas() {
    let Some(device) = adapter::device("steps_and_sums_are_their_formulas") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, inputs, outputs, tasks] = shape;
        let words = outputs * (inputs + 1);
        let dz = Numbers::new(tasks, points * outputs, 1);
        let x = Numbers::new(tasks, points * inputs, 2);
        let weights = if case % 2 == 0 { Numbers::shared(words, 3) } else { Numbers::new(tasks, words, 3) };
        let rates = Numbers::shared(words, 4);
        let per_parameter = case % 2;
        let mut layer = layer(shape);
        (layer.dz, layer.x, layer.weight) = (dz.place, x.place, weights.place);
        layer.rate.offset = rates.place.offset;
        layer.rate.stride = per_parameter as u32;
        let (fresh, old) = (Numbers::poisoned(tasks, words), Numbers::new(tasks, words, 5));
        layer.next = fresh.place;
        layer.v = fresh.place;
        for (constants, result) in [
            ([("STEP", 1.0), ("ADD", 0.0)], &fresh),
            ([("STEP", 0.0), ("ADD", 0.0)], &fresh),
            ([("STEP", 0.0), ("ADD", 1.0)], &old),
        ] {
            let (step, adds) = (constants[0].1 != 0.0, constants[1].1 != 0.0);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let g = gradient(shape, &dz.task(task), &x.task(task));
                    let (w, a, v) = (weights.task(task), rates.task(0), old.task(task));
                    let element = |(e, g): (usize, &f64)| match (step, adds) {
                        (true, _) => w[e] - a[e * per_parameter] * g,
                        (_, true) => v[e] + g,
                        _ => *g,
                    };
                    g.iter().enumerate().map(element).collect()
                })
                .collect();
            let buffers = [&dz, &x, &weights, &rates, result];
            let size = [outputs, inputs + 1];
            check_cuts(&device, &UPDATE, &constants, &layer, size, &buffers, 4, &expected);
        }
    }
}
