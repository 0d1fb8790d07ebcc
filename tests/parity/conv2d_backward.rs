use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::{BACKWARD, backward_shape};

#[test]
fn the_cotangent_of_an_image_is_its_formula() {
    let Some(device) = adapter::device("the_cotangent_of_an_image_is_its_formula") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let dz = Numbers::new(conv.tasks, conv.y(), 1);
        let weights = match case % 2 {
            0 => Numbers::shared(conv.words(), 2),
            _ => Numbers::new(conv.tasks, conv.words(), 2),
        };
        let x = Numbers::new(conv.tasks, conv.x(), 3);
        let dx = Numbers::poisoned(conv.tasks, conv.x());
        let mut layer = conv.layer();
        layer.relu_below = (case % 2) as u32;
        (layer.dz, layer.weight, layer.x, layer.dx) = (dz.place, weights.place, x.place, dx.place);
        let expected: Vec<Vec<f64>> = (0..conv.tasks)
            .map(|task| {
                let mut dx = conv.backward(&weights.task(task), &dz.task(task));
                for (dx, x) in dx.iter_mut().zip(x.task(task)) {
                    *dx = if layer.relu_below != 0 && x <= 0.0 { 0.0 } else { *dx };
                }
                dx
            })
            .collect();
        let buffers = [&dz, &weights, &x, &dx];
        check_conv(&device, &BACKWARD, &[], &layer, backward_shape(&layer), false, &buffers, 3, &expected);
    }
}
