use super::linear_update::gradient;
use super::{Numbers, SHAPES, adapter, check, check_cuts, layer, run};
use fastweights::backend::gpu::kernels::rooms::linear::UPDATE_TANGENT;
use fastweights::wgsl::Cut;
use fastweights::wgsl::Place;

#[test]
fn a_step_back_is_its_formula() {
    let Some(device) = adapter::device("a_step_back_is_its_formula") else { return };
    for shape in SHAPES {
        let [points, inputs, outputs, tasks] = shape;
        let words = outputs * (inputs + 1);
        let dz = Numbers::new(tasks, points * outputs, 1);
        let dz_dot = Numbers::new(tasks, points * outputs, 2);
        let (x, x_dot) = (Numbers::new(tasks, points * inputs, 3), Numbers::new(tasks, points * inputs, 4));
        let sums = Numbers::poisoned(1, 1);
        // A row is v, then the gradients of the rates.
        let rows = Numbers::new(tasks, 2 * words, 5);
        let mut layer = layer(shape);
        layer.adapted = 3;
        (layer.dz, layer.dz_dot, layer.x, layer.x_dot) = (dz.place, dz_dot.place, x.place, x_dot.place);
        layer.v = rows.place;
        layer.rate_gradient = rows.place.plus(words);
        for (second, rates, moves, adds) in
            [(true, 0, 1, 0), (true, 1, 1, 0), (true, 1, 0, 1), (false, 1, 1, 1)]
        {
            (layer.input_moves, layer.rate_adds) = (moves, adds);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (dz, dz_dot, x) = (dz.task(task), dz_dot.task(task), x.task(task));
                    let x_dot: Vec<_> = x_dot.task(task).iter().map(|v| f64::from(moves) * v).collect();
                    let g = gradient(shape, &dz, &x);
                    let (from_dz, mut from_x) = (gradient(shape, &dz_dot, &x), gradient(shape, &dz, &x_dot));
                    // A bias has no input that could move.
                    from_x[outputs * inputs..].fill(0.0);
                    let mut row = rows.task(task);
                    for e in 0..words {
                        if rates == 1 {
                            let old = if adds == 1 { row[words + e] } else { 0.0 };
                            row[words + e] = old - g[e] * row[e];
                        }
                        if second {
                            row[e] -= from_dz[e] + from_x[e];
                        }
                    }
                    row
                })
                .collect();
            let flag = |on: bool| f64::from(u8::from(on));
            let constants =
                [("SECOND", flag(second)), ("RATES", f64::from(rates)), ("VALUE", flag(rates > 0))];
            let buffers = [&dz, &dz_dot, &x, &x_dot, &rows, &sums];
            let size = [outputs, inputs + 1];
            check_cuts(&device, &UPDATE_TANGENT, &constants, &layer, size, &buffers, 4, &expected);
        }
    }
}

#[test]
fn shared_rates_leave_a_sum_a_workgroup() {
    let Some(device) = adapter::device("shared_rates_leave_a_sum_a_workgroup") else { return };
    for shape in SHAPES {
        let [points, inputs, outputs, tasks] = shape;
        let words = outputs * (inputs + 1);
        let dz = Numbers::new(tasks, points * outputs, 1);
        let x = Numbers::new(tasks, points * inputs, 3);
        let rows = Numbers::new(tasks, words, 5);
        let cut = Cut::of(outputs as u32, inputs as u32 + 1);
        let parts = cut.workgroups(outputs as u32, inputs as u32 + 1);
        let sums = Numbers::poisoned(tasks, parts as usize);
        let mut layer = layer(shape);
        layer.adapted = 3;
        (layer.dz, layer.x, layer.v) = (dz.place, x.place, rows.place);
        (layer.dz_dot, layer.x_dot) = (dz.place, Place::default());
        layer.rate_gradient = sums.place;
        let mut constants = cut.constants(&UPDATE_TANGENT);
        constants.extend([("SECOND", 0.0), ("RATES", 2.0), ("VALUE", 1.0)]);
        let buffers = [&dz, &dz, &x, &x, &rows, &sums];
        let mut after = run(&device, &UPDATE_TANGENT, &constants, &layer, &buffers, [parts, tasks as u32, 1]);
        let mut after = after.remove(5);
        // Which parameters a part holds is the cut's business; together they are all, each once.
        for task in 0..tasks {
            let g = gradient(shape, &dz.task(task), &x.task(task));
            let expected: f64 = g.iter().zip(rows.task(task)).map(|(g, v)| -g * v).sum();
            let size: f64 = g.iter().zip(rows.task(task)).map(|(g, v)| (g * v).abs()).sum();
            let found: f64 = after.task(task).iter().sum();
            assert!((found - expected).abs() <= 1e-5 * size, "{shape:?}: {found} is not {expected}");
        }
        // Nothing beside the parts was written.
        for task in 0..tasks {
            let at = (after.place.offset + task as u32 * after.place.stride) as usize;
            after.all[at..at + parts as usize].fill(f32::NAN);
        }
        check("sums", &sums.all, &after, &[]);
    }
}
