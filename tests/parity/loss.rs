use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::loss::{self, LOSS, LossPass};

/// Points, outputs, tasks.
pub(super) const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [5, 3, 2], [9, 17, 3], [130, 2, 2]];

/// Outputs and truths; some outputs are large, so that e to them overflows float32.
pub(super) fn numbers([points, outputs, tasks]: [usize; 3], labels: bool) -> [Numbers; 2] {
    let mut y = Numbers::new(tasks, points * outputs, 1);
    for v in y.all.iter_mut().step_by(7) {
        *v *= 200.0;
    }
    let mut truth = Numbers::new(tasks, if labels { points } else { points * outputs }, 2);
    if labels {
        for v in &mut truth.all {
            *v = ((*v + 1.0) / 2.0 * outputs as f32).floor().min(outputs as f32 - 1.0);
        }
    }
    [y, truth]
}

/// Softmax of one point.
pub(super) fn softmax(y: &[f64]) -> Vec<f64> {
    let top = y.iter().fold(f64::MIN, |a, &b| a.max(b));
    let sum: f64 = y.iter().map(|v| (v - top).exp()).sum();
    y.iter().map(|v| (v - top).exp() / sum).collect()
}

#[test]
fn losses_and_gradients_are_their_formulas() {
    let Some(device) = adapter::device("losses_and_gradients_are_their_formulas") else { return };
    for shape in SHAPES {
        let [points, outputs, tasks] = shape;
        for (kind, relu) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let [y, truth] = numbers(shape, kind == 1);
            let dz = Numbers::poisoned(tasks, points * outputs);
            let report = Numbers::poisoned(tasks, 1);
            let rows = Numbers::new(tasks, 2, 4);
            let weight = 0.7;
            let pass = LossPass {
                points: points as u32,
                outputs: outputs as u32,
                relu,
                wants_gradient: 1,
                y: y.place,
                truth: truth.place,
                dz: dz.place,
                report: report.place,
                row: rows.place,
                weight,
                target_rows: loss::REPORTS | loss::ROW_ADDS_QUERY | loss::ROW_SETS_SUPPORT,
                ..LossPass::default()
            };
            let (mut losses, mut cotangents, mut expected_rows) = (Vec::new(), Vec::new(), Vec::new());
            for task in 0..tasks {
                let (y, truth, row) = (y.task(task), truth.task(task), rows.task(task));
                let (mut total, mut dz) = (0.0, Vec::new());
                for p in 0..points {
                    let y = &y[p * outputs..][..outputs];
                    let s = softmax(y);
                    for o in 0..outputs {
                        let d = if kind == 0 {
                            let miss = y[o] - truth[p * outputs + o];
                            total += miss * miss / (points * outputs) as f64;
                            2.0 * miss / (points * outputs) as f64
                        } else {
                            let hit = truth[p] as usize == o;
                            // −log softmax without the overflow of its parts.
                            if hit {
                                let top = y.iter().fold(f64::MIN, |a, &b| a.max(b));
                                let sum: f64 = y.iter().map(|v| (v - top).exp()).sum();
                                total += (sum.ln() + top - y[o]) / points as f64;
                            }
                            (s[o] - f64::from(u8::from(hit))) / points as f64
                        };
                        dz.push(if relu == 1 && y[o] <= 0.0 { 0.0 } else { f64::from(weight) * d });
                    }
                }
                losses.push(vec![total]);
                cotangents.push(dz);
                expected_rows.push(vec![row[0] + f64::from(weight) * total, total]);
            }
            let constants = [("LOSS", f64::from(kind))];
            let buffers = [&y, &truth, &dz, &report, &rows, &y];
            let after = run(&device, &LOSS, &constants, &pass, &buffers, [1, tasks as u32, 1]);
            let what = format!("{shape:?}, loss {kind}, relu {relu}");
            check(&what, &dz.all, &after[2], &cotangents);
            check(&what, &report.all, &after[3], &losses);
            check(&what, &rows.all, &after[4], &expected_rows);
        }
    }
}
