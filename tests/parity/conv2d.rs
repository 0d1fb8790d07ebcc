use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::{FORWARD, forward_shape};

#[test]
fn a_convolution_is_its_formula() {
    let Some(device) = adapter::device("a_convolution_is_its_formula") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let x = Numbers::new(conv.tasks, conv.x(), 1);
        // θ₀ is shared by all tasks, later weights are not.
        let weights = match case % 2 {
            0 => Numbers::shared(conv.words(), 2),
            _ => Numbers::new(conv.tasks, conv.words(), 2),
        };
        let y = Numbers::poisoned(conv.tasks, conv.y());
        let mut layer = conv.layer();
        layer.relu = (case % 3 != 0).into();
        (layer.x, layer.weight, layer.y) = (x.place, weights.place, y.place);
        let expected: Vec<Vec<f64>> = (0..conv.tasks)
            .map(|task| {
                let w = weights.task(task);
                let mut y = conv.forward(&w, &x.task(task));
                for (out, y) in y.iter_mut().enumerate() {
                    *y += w[conv.outputs * conv.inputs() + conv.channel_of(out)];
                    *y = if layer.relu != 0 { y.max(0.0) } else { *y };
                }
                y
            })
            .collect();
        let buffers = [&x, &weights, &y];
        check_conv(
            &device,
            &FORWARD,
            &[],
            &layer,
            forward_shape(&layer),
            matches!(case, 3 | 9),
            &buffers,
            2,
            &expected,
        );
    }
}
