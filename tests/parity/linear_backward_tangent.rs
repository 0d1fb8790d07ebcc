use super::{Numbers, SHAPES, adapter, check_cuts, layer};
use fastweights::backend::gpu::kernels::rooms::linear::BACKWARD_TANGENT;

#[test]
fn the_tangent_of_the_inputs_cotangent_is_its_formula() {
    let Some(device) = adapter::device("the_tangent_of_the_inputs_cotangent_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, inputs, outputs, tasks] = shape;
        let words = outputs * (inputs + 1);
        let dz = Numbers::new(tasks, points * outputs, 1);
        let dz_dot = Numbers::new(tasks, points * outputs, 2);
        let weights = Numbers::new(tasks, words, 3);
        let (rates, v) = (Numbers::shared(words, 4), Numbers::new(tasks, words, 5));
        let x = Numbers::new(tasks, points * inputs, 6);
        let dx_dot = Numbers::poisoned(tasks, points * inputs);
        let mut layer = layer(shape);
        (layer.dz, layer.dz_dot, layer.weight) = (dz.place, dz_dot.place, weights.place);
        (layer.v, layer.x, layer.dx_dot) = (v.place, x.place, dx_dot.place);
        layer.rate.offset = rates.place.offset;
        layer.rate.stride = (case % 2) as u32;
        for (adapted, relu_below) in [(1, 1), (1, 0), (0, 1)] {
            (layer.adapted, layer.relu_below) = (3 * adapted, relu_below);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (dz, dz_dot, w) = (dz.task(task), dz_dot.task(task), weights.task(task));
                    let (a, v, x) = (rates.task(0), v.task(task), x.task(task));
                    let mut dx_dot = vec![0.0; points * inputs];
                    for p in 0..points {
                        for i in 0..inputs {
                            for o in 0..outputs {
                                let e = o * inputs + i;
                                let u = f64::from(adapted) * a[e * (case % 2)] * v[e];
                                if relu_below == 0 || x[p * inputs + i] > 0.0 {
                                    let at = p * outputs + o;
                                    dx_dot[p * inputs + i] += dz_dot[at] * w[e] + dz[at] * u;
                                }
                            }
                        }
                    }
                    dx_dot
                })
                .collect();
            let buffers = [&dz, &dz_dot, &weights, &rates, &v, &x, &dx_dot];
            check_cuts(&device, &BACKWARD_TANGENT, &[], &layer, [points, inputs], &buffers, 6, &expected);
        }
    }
}
