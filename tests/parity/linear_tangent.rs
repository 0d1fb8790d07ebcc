use super::{Numbers, SHAPES, adapter, check_cuts, layer};
use fastweights::backend::gpu::kernels::rooms::linear::TANGENT;

#[test]
fn the_tangent_of_a_layer_is_its_formula() {
    let Some(device) = adapter::device("the_tangent_of_a_layer_is_its_formula") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, inputs, outputs, tasks] = shape;
        let words = outputs * (inputs + 1);
        let (x, x_dot) = (Numbers::new(tasks, points * inputs, 1), Numbers::new(tasks, points * inputs, 2));
        let weights = Numbers::new(tasks, words, 3);
        let (rates, v) = (Numbers::shared(words, 4), Numbers::new(tasks, words, 5));
        let y = Numbers::new(tasks, points * outputs, 6);
        let y_dot = Numbers::poisoned(tasks, points * outputs);
        let mut layer = layer(shape);
        (layer.x, layer.x_dot, layer.weight) = (x.place, x_dot.place, weights.place);
        (layer.v, layer.y, layer.y_dot) = (v.place, y.place, y_dot.place);
        layer.rate.offset = rates.place.offset;
        layer.rate.stride = (case % 2) as u32;
        for (adapted, moves, relu) in [(1, 1, 1), (1, 0, 0), (0, 1, 1)] {
            (layer.adapted, layer.input_moves, layer.relu) = (3 * adapted, moves, relu);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (x, x_dot, w) = (x.task(task), x_dot.task(task), weights.task(task));
                    let (a, v, y) = (rates.task(0), v.task(task), y.task(task));
                    let u = |e: usize| f64::from(adapted) * a[e * (case % 2)] * v[e];
                    let mut y_dot = vec![0.0; points * outputs];
                    for p in 0..points {
                        for o in 0..outputs {
                            if relu == 0 || y[p * outputs + o] > 0.0 {
                                let mut sum = u(outputs * inputs + o);
                                for i in 0..inputs {
                                    sum += f64::from(moves) * x_dot[p * inputs + i] * w[o * inputs + i];
                                    sum += x[p * inputs + i] * u(o * inputs + i);
                                }
                                y_dot[p * outputs + o] = sum;
                            }
                        }
                    }
                    y_dot
                })
                .collect();
            let buffers = [&x, &x_dot, &weights, &rates, &v, &y, &y_dot];
            check_cuts(&device, &TANGENT, &[], &layer, [points, outputs], &buffers, 6, &expected);
        }
    }
}
