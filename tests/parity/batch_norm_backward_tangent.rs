use super::norm::{SHAPES, backward, check_norm, elements, layer, normalise, slope, stats};
use super::{Numbers, adapter};
use fastweights::backend::gpu::kernels::rooms::batch_norm::BACKWARD_TANGENT;

#[test]
fn a_step_back_of_batch_norm_is_its_slope() {
    let Some(device) = adapter::device("a_step_back_of_batch_norm_is_its_slope") else { return };
    for (case, shape) in SHAPES.into_iter().enumerate() {
        let [points, channels, pixels, tasks] = shape;
        let words = points * channels * pixels;
        let (x, x_dot) = (Numbers::new(tasks, words, 1), Numbers::new(tasks, words, 2));
        let (dy, dy_dot) = (Numbers::new(tasks, words, 3), Numbers::new(tasks, words, 4));
        let weights = Numbers::new(tasks, 2 * channels, 5);
        let u = Numbers::new(tasks, 2 * channels, 6);
        let stats = stats(shape, &x, &weights);
        // A row is v, then the gradients of the rates.
        let rows = Numbers::new(tasks, 4 * channels, 7);
        let (dx_dot, sums) = (Numbers::poisoned(tasks, words), Numbers::poisoned(tasks, 2));
        let mut layer = layer(shape);
        (layer.x, layer.x_dot, layer.dx_dot) = (x.place, x_dot.place, dx_dot.place);
        (layer.dz, layer.dz_dot) = (dy.place, dy_dot.place);
        (layer.v, layer.rate_gradient) = (rows.place, rows.place.plus(2 * channels));
        (layer.relu_below, layer.rate_adds) = ((case % 2) as u32, (case % 2) as u32);
        for (adapted, moves, second) in [(1, 1, 1), (1, 0, 1), (0, 0, 1), (1, 1, 0)] {
            (layer.adapted, layer.input_moves) = (3 * adapted, moves);
            let on = f64::from(second);
            let mut record = Numbers::poisoned(tasks, 8 * channels);
            let (mut expected_dx, mut expected_rows) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let (w, x, dy) = (weights.task(task), x.task(task), dy.task(task));
                let u: Vec<f64> = u.task(task).iter().map(|u| f64::from(adapted) * u).collect();
                let x_dot: Vec<f64> = x_dot.task(task).iter().map(|d| f64::from(moves) * d).collect();
                let (normal, found) = normalise(shape, &x);
                for (c, elements) in elements(shape).into_iter().enumerate() {
                    let n = elements.len() as f64;
                    let mean = elements.iter().map(|&e| x_dot[e]).sum::<f64>() / n;
                    let slope = elements.iter().map(|&e| x_dot[e] * normal[e]).sum::<f64>() / n;
                    let all = [found[c][0], found[c][1], w[c], u[c], mean, slope].map(|v| v as f32);
                    let at = (record.place.offset + task as u32 * record.place.stride) as usize + 8 * c;
                    record.all[at..at + 6].copy_from_slice(&all);
                }
                // Where nothing moves dy is not read.
                let dy: Vec<f64> = dy.iter().map(|d| d * f64::from(adapted.max(moves))).collect();
                let (at, along) = ([&w[..], &x, &dy], [&u[..], &x_dot, &dy_dot.task(task)]);
                let dx_dot = slope(&at, &along, |at| backward(shape, &at[0], &at[1], &at[2]).0);
                let closed = |x: f64| layer.relu_below != 0 && x <= 0.0;
                expected_dx
                    .push(dx_dot.iter().zip(&x).map(|(d, &x)| if closed(x) { 0.0 } else { *d }).collect());
                let dw = backward(shape, &w, &x, &dy).1;
                let dw_dot = slope(&at, &along, |at| backward(shape, &at[0], &at[1], &at[2]).1);
                let mut row = rows.task(task);
                for e in 0..2 * channels {
                    let old = f64::from(layer.rate_adds) * row[2 * channels + e];
                    row[2 * channels + e] = old - f64::from(adapted) * dw[e] * row[e];
                    row[e] -= on * dw_dot[e];
                }
                expected_rows.push(row);
            }
            // Of the first order, and below all that moves, the statistics of the pass stand in for the record.
            let has_record = second == 1 && adapted.max(moves) == 1;
            let known = if has_record { &record } else { &stats };
            (layer.record, layer.record_words) = (known.place, if has_record { 8 } else { 4 });
            let constants = [("SECOND", on), ("BELOW", on), ("AFFINE", 1.0), ("RATES", 1.0)];
            let buffers = [&x, &x_dot, known, &dy, &dy_dot, &dx_dot, &rows, &sums];
            let results: [(usize, &[Vec<f64>]); 2] = [(6, &expected_rows), (5, &expected_dx)];
            check_norm(
                &device,
                &BACKWARD_TANGENT,
                &constants,
                &layer,
                &buffers,
                &results[..1 + second as usize],
            );
        }
    }
}
