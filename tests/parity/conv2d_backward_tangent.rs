use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::BACKWARD_TANGENT;
use fastweights::backend::gpu::kernels::rooms::conv2d::backward_shape;

#[test]
fn the_tangent_of_an_images_cotangent_is_its_formula() {
    let Some(device) = adapter::device("the_tangent_of_an_images_cotangent_is_its_formula") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let (tasks, words) = (conv.tasks, conv.words());
        let (dz, dz_dot) = (Numbers::new(tasks, conv.y(), 1), Numbers::new(tasks, conv.y(), 2));
        let (weights, v) = (Numbers::new(tasks, words, 3), Numbers::new(tasks, words, 5));
        let rates = Numbers::shared(words, 4);
        let (x, dx_dot) = (Numbers::new(tasks, conv.x(), 6), Numbers::poisoned(tasks, conv.x()));
        let mut layer = conv.layer();
        (layer.dz, layer.dz_dot, layer.weight) = (dz.place, dz_dot.place, weights.place);
        (layer.v, layer.x, layer.dx_dot) = (v.place, x.place, dx_dot.place);
        (layer.rate.offset, layer.rate.stride) = (rates.place.offset, (case % 2) as u32);
        for (adapted, relu) in [(1, 1), (0, 0)] {
            (layer.adapted, layer.relu_below) = (3 * adapted, relu);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (a, v, x) = (rates.task(0), v.task(task), x.task(task));
                    let u: Vec<f64> =
                        (0..words).map(|e| f64::from(adapted) * a[e * (case % 2)] * v[e]).collect();
                    let mut dx_dot = conv.backward(&weights.task(task), &dz_dot.task(task));
                    for (e, other) in conv.backward(&u, &dz.task(task)).iter().enumerate() {
                        dx_dot[e] = if relu == 1 && x[e] <= 0.0 { 0.0 } else { dx_dot[e] + other };
                    }
                    dx_dot
                })
                .collect();
            let buffers = [&dz, &dz_dot, &weights, &rates, &v, &x, &dx_dot];
            let size = backward_shape(&layer);
            check_conv(&device, &BACKWARD_TANGENT, &[], &layer, size, false, &buffers, 6, &expected);
        }
    }
}
