use super::{Numbers, SHAPES, adapter, check_cuts, layer};
use fastweights::backend::gpu::kernels::rooms::linear::FORWARD;

#[test]
fn a_linear_layer_is_its_formula() {
    let Some(device) = adapter::device("a_linear_layer_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, inputs, outputs, tasks] = shape;
        let x = Numbers::new(tasks, points * inputs, 1);
        // θ₀ is shared by all tasks, later weights are not.
        let words = outputs * (inputs + 1);
        let weights = if case % 2 == 0 { Numbers::shared(words, 2) } else { Numbers::new(tasks, words, 2) };
        let y = Numbers::poisoned(tasks, points * outputs);
        let mut layer = layer(shape);
        layer.relu = (case % 3 != 0).into();
        (layer.x, layer.weight, layer.y) = (x.place, weights.place, y.place);
        let expected: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let (x, w) = (x.task(task), weights.task(task));
                let mut y = vec![0.0; points * outputs];
                for p in 0..points {
                    for o in 0..outputs {
                        let mut z = w[outputs * inputs + o];
                        for i in 0..inputs {
                            z += x[p * inputs + i] * w[o * inputs + i];
                        }
                        y[p * outputs + o] = if layer.relu != 0 && z < 0.0 { 0.0 } else { z };
                    }
                }
                y
            })
            .collect();
        let buffers = [&x, &weights, &y];
        check_cuts(&device, &FORWARD, &[], &layer, [points, outputs], &buffers, 2, &expected);
    }
}
