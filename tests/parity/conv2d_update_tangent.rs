use super::conv::{Conv, check_conv};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::conv2d::UPDATE_TANGENT;
use fastweights::backend::gpu::kernels::rooms::conv2d::update_shape;

#[test]
fn a_step_back_of_a_convolution_is_its_formula() {
    let Some(device) = adapter::device("a_step_back_of_a_convolution_is_its_formula") else { return };
    for (case, conv) in Conv::ALL.into_iter().enumerate() {
        let (tasks, words) = (conv.tasks, conv.words());
        let (dz, dz_dot) = (Numbers::new(tasks, conv.y(), 1), Numbers::new(tasks, conv.y(), 2));
        let (x, x_dot) = (Numbers::new(tasks, conv.x(), 3), Numbers::new(tasks, conv.x(), 4));
        let sums = Numbers::poisoned(1, 1);
        // A row is v, then the gradients of the rates.
        let rows = Numbers::new(tasks, 2 * words, 5);
        let mut layer = conv.layer();
        layer.adapted = 3;
        (layer.dz, layer.dz_dot, layer.x, layer.x_dot) = (dz.place, dz_dot.place, x.place, x_dot.place);
        (layer.v, layer.rate_gradient) = (rows.place, rows.place.plus(words));
        for (second, rates, moves, adds) in [(1, 1, 1, 0), (1, 0, 0, 0), (0, 1, 1, 1)] {
            (layer.input_moves, layer.rate_adds) = (moves, adds);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (dz, dz_dot, x) = (dz.task(task), dz_dot.task(task), x.task(task));
                    let x_dot: Vec<_> = x_dot.task(task).iter().map(|v| f64::from(moves) * v).collect();
                    let g = conv.gradient(&dz, &x);
                    let (from_dz, mut from_x) = (conv.gradient(&dz_dot, &x), conv.gradient(&dz, &x_dot));
                    // A bias has no input that could move.
                    from_x[conv.outputs * conv.inputs()..].fill(0.0);
                    let mut row = rows.task(task);
                    for e in 0..words {
                        if rates == 1 {
                            row[words + e] = f64::from(adds) * row[words + e] - g[e] * row[e];
                        }
                        row[e] -= f64::from(second) * (from_dz[e] + from_x[e]);
                    }
                    row
                })
                .collect();
            let [second, rates] = [second, rates].map(f64::from);
            let constants = [("VALUE", rates), ("SECOND", second), ("RATES", rates)];
            let buffers = [&dz, &dz_dot, &x, &x_dot, &rows, &sums];
            let every_cut = matches!(case, 3 | 9) && rates == 1.0 && second == 1.0;
            let size = update_shape(&layer);
            check_conv(&device, &UPDATE_TANGENT, &constants, &layer, size, every_cut, &buffers, 4, &expected);
        }
    }
}

#[test]
fn stretches_of_a_gradient_and_its_tangent_are_left_in_pairs() {
    let Some(device) = adapter::device("stretches_of_a_gradient_and_its_tangent_are_left_in_pairs") else {
        return;
    };
    for conv in Conv::ALL {
        let (tasks, words) = (conv.tasks, conv.words());
        let (dz, dz_dot) = (Numbers::new(tasks, conv.y(), 1), Numbers::new(tasks, conv.y(), 2));
        let x = Numbers::new(tasks, conv.x(), 3);
        let unused = Numbers::poisoned(1, 1);
        let count = 3;
        let mut pairs = Numbers::dense(tasks, 2 * count * words, 4);
        pairs.all.fill(f32::NAN);
        let mut layer = conv.layer();
        layer.adapted = 3;
        (layer.dz, layer.dz_dot, layer.x) = (dz.place, dz_dot.place, x.place);
        let mut expected = Vec::new();
        for task in 0..tasks {
            let [(values, each), (tangents, _)] =
                [&dz, &dz_dot].map(|numbers| conv.stretches(&numbers.task(task), count));
            (layer.stretches, layer.stretch) = (count as u32, each as u32);
            let gradients = |parts: Vec<Vec<f64>>| -> Vec<f64> {
                parts.iter().flat_map(|dz| conv.gradient(dz, &x.task(task))).collect()
            };
            let both = gradients(values).into_iter().zip(gradients(tangents));
            expected.push(both.flat_map(|(value, tangent)| [value, tangent]).collect());
        }
        // Sums for one rate are left to the kernel that adds up the stretches.
        let constants = [("VALUE", 1.0), ("SECOND", 1.0), ("RATES", 2.0)];
        let buffers = [&dz, &dz_dot, &x, &x, &pairs, &unused];
        let size = update_shape(&layer);
        check_conv(&device, &UPDATE_TANGENT, &constants, &layer, size, true, &buffers, 4, &expected);
    }
}
