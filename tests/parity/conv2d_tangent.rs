use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::TANGENT;
use fastweights::backend::gpu::kernels::rooms::conv2d::forward_shape;

#[test]
fn the_tangent_of_a_convolution_is_its_formula() {
    let Some(device) = adapter::device("the_tangent_of_a_convolution_is_its_formula") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let (tasks, words) = (conv.tasks, conv.words());
        let (x, x_dot) = (Numbers::new(tasks, conv.x(), 1), Numbers::new(tasks, conv.x(), 2));
        let (weights, v) = (Numbers::new(tasks, words, 3), Numbers::new(tasks, words, 5));
        let rates = Numbers::shared(words, 4);
        let (y, y_dot) = (Numbers::new(tasks, conv.y(), 6), Numbers::poisoned(tasks, conv.y()));
        let mut layer = conv.layer();
        (layer.x, layer.x_dot, layer.weight) = (x.place, x_dot.place, weights.place);
        (layer.v, layer.y, layer.y_dot) = (v.place, y.place, y_dot.place);
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, (case % 2) as u32);
        for (adapted, moves, relu) in [(1, 1, 1), (1, 0, 0), (0, 1, 1)] {
            (layer.adapted, layer.input_moves, layer.relu) = (3 * adapted, moves, relu);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (a, v, y) = (rates.task(0), v.task(task), y.task(task));
                    let u: Vec<f64> =
                        (0..words).map(|e| f64::from(adapted) * a[e * (case % 2)] * v[e]).collect();
                    let x_dot: Vec<f64> = x_dot.task(task).iter().map(|d| f64::from(moves) * d).collect();
                    let mut y_dot = conv.forward(&u, &x.task(task));
                    for (out, other) in conv.forward(&weights.task(task), &x_dot).iter().enumerate() {
                        y_dot[out] += other + u[conv.outputs * conv.inputs() + conv.channel_of(out)];
                        y_dot[out] = if relu == 1 && y[out] <= 0.0 { 0.0 } else { y_dot[out] };
                    }
                    y_dot
                })
                .collect();
            let buffers = [&x, &x_dot, &weights, &rates, &v, &y, &y_dot];
            let size = forward_shape(&layer);
            check_conv(&device, &TANGENT, &[], &layer, size, false, &buffers, 6, &expected);
        }
    }
}
