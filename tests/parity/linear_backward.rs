use super::{Numbers, SHAPES, adapter, check_cuts, layer};
use fastweights::backend::gpu::kernels::rooms::linear::BACKWARD;

#[test]
fn the_cotangent_of_the_input_is_its_formula() {
    let Some(device) = adapter::device("the_cotangent_of_the_input_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, inputs, outputs, tasks] = shape;
        let dz = Numbers::new(tasks, points * outputs, 1);
        let weights = Numbers::new(tasks, outputs * (inputs + 1), 2);
        let x = Numbers::new(tasks, points * inputs, 3);
        let dx = Numbers::poisoned(tasks, points * inputs);
        let mut layer = layer(shape);
        layer.relu_below = (case % 2).try_into().unwrap();
        (layer.dz, layer.weight, layer.x, layer.dx) = (dz.place, weights.place, x.place, dx.place);
        let expected: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let (dz, w, x) = (dz.task(task), weights.task(task), x.task(task));
                let mut dx = vec![0.0; points * inputs];
                for p in 0..points {
                    for i in 0..inputs {
                        if layer.relu_below == 0 || x[p * inputs + i] > 0.0 {
                            for o in 0..outputs {
                                dx[p * inputs + i] += dz[p * outputs + o] * w[o * inputs + i];
                            }
                        }
                    }
                }
                dx
            })
            .collect();
        let buffers = [&dz, &weights, &x, &dx];
        check_cuts(&device, &BACKWARD, &[], &layer, [points, inputs], &buffers, 3, &expected);
    }
}
