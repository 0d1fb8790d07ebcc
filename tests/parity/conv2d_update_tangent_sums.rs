use super::{Numbers, adapter, check, layer, run};
use fastweights::backend::gpu::kernels::rooms::conv2d::SUMS_WORKGROUP;
use fastweights::backend::gpu::kernels::rooms::conv2d::UPDATE_TANGENT_SUMS;

#[test]
fn stretches_are_added_up_and_stepped_back_by() {
    let Some(device) = adapter::device("stretches_are_added_up_and_stepped_back_by") else { return };
    for [stretches, inputs, outputs, tasks] in [[1, 1, 1, 1], [2, 9, 64, 2], [13, 5, 11, 3]] {
        let words = outputs * (inputs + 1);
        let pairs = Numbers::dense(tasks, 2 * stretches * words, 1);
        // A row is v, then the gradients of the rates.
        let rows = Numbers::new(tasks, 2 * words, 2);
        let parts = words.div_ceil(SUMS_WORKGROUP as usize);
        let sums = Numbers::poisoned(tasks, parts);
        for (second, rates) in [(1.0, 0), (1.0, 1), (0.0, 1), (1.0, 2)] {
            let mut layer = layer([1, inputs, outputs, tasks]);
            (layer.adapted, layer.stretches, layer.v) = (3, stretches as u32, rows.place);
            layer.rate_gradient = if rates == 2 { sums.place } else { rows.place.plus(words) };
            let (mut stepped, mut summed) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let (all, mut row) = (pairs.task(task), rows.task(task));
                let mut shares = vec![0.0; parts];
                for e in 0..words {
                    let sum =
                        |which: usize| (0..stretches).map(|z| all[2 * (z * words + e) + which]).sum::<f64>();
                    shares[e / SUMS_WORKGROUP as usize] -= sum(0) * row[e];
                    if rates == 1 {
                        row[words + e] = -sum(0) * row[e];
                    }
                    row[e] -= second * sum(1);
                }
                stepped.push(row);
                summed.push(shares);
            }
            let constants = [("SECOND", second), ("RATES", f64::from(rates))];
            let workgroups = [parts as u32, tasks as u32, 1];
            let after =
                run(&device, &UPDATE_TANGENT_SUMS, &constants, &layer, &[&pairs, &rows, &sums], workgroups);
            let what = format!("rates {rates}, {layer:?}");
            check(&what, &rows.all, &after[1], &stepped);
            if rates == 2 {
                check(&what, &sums.all, &after[2], &summed);
            }
        }
    }
}
