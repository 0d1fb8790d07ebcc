use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::loss::{self, LOSS, LossPass};
use fastweights::losses::cross_entropy::CrossEntropy;
use fastweights::losses::{Loss, Truth};

/// Points, outputs, tasks.
pub(super) const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [5, 3, 2], [9, 17, 3], [130, 2, 2]];

pub(super) fn losses() -> [Loss; 5] {
    let smoothed = CrossEntropy { label_smoothing: 0.2 }.into();
    [Loss::mse(), Loss::huber(0.4), Loss::bce_with_logits(), Loss::cross_entropy(), smoothed]
}

/// What the kernels are told of a loss.
pub(super) fn constants(loss: Loss) -> [(&'static str, f64); 2] {
    [("LOSS", loss.code().into()), ("SETTING", loss.setting())]
}

/// Outputs and truths; some outputs are large, so that e to them overflows float32.
pub(super) fn numbers([points, outputs, tasks]: [usize; 3], loss: Loss) -> [Numbers; 2] {
    let mut y = Numbers::new(tasks, points * outputs, 1);
    for v in y.all.iter_mut().step_by(7) {
        *v *= 200.0;
    }
    let mut truth = Numbers::new(tasks, points * loss.truth().width(outputs), 2);
    for v in &mut truth.all {
        *v = match loss.truth() {
            Truth::Numbers => *v,
            Truth::Shares => (*v + 1.0) / 2.0,
            Truth::Class => ((*v + 1.0) / 2.0 * outputs as f32).floor().min(outputs as f32 - 1.0),
        };
    }
    [y, truth]
}

/// Outputs and targets of a point of a task.
pub(super) fn point(loss: Loss, outputs: usize, p: usize, [y, truth]: [&[f64]; 2]) -> (&[f64], &[f64]) {
    let width = loss.truth().width(outputs);
    (&y[p * outputs..][..outputs], &truth[p * width..][..width])
}

#[test]
fn losses_and_gradients_are_their_formulas() {
    let Some(device) = adapter::device("losses_and_gradients_are_their_formulas") else { return };
    for (shape, loss) in SHAPES.into_iter().flat_map(|shape| losses().map(|loss| (shape, loss))) {
        let [points, outputs, tasks] = shape;
        // All points of a set, and a chunk behind others of it.
        for (relu, part, adds) in [(0, 1.0, 0), (1, 1.0, 0), (1, 0.25, loss::ADDS)] {
            let [y, truth] = numbers(shape, loss);
            let dz = Numbers::poisoned(tasks, points * outputs);
            let report = if adds == 0 { Numbers::poisoned(tasks, 1) } else { Numbers::new(tasks, 1, 5) };
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
                part,
                target_rows: adds | loss::REPORTS | loss::ROW_ADDS_QUERY | loss::ROW_SETS_SUPPORT,
                ..LossPass::default()
            };
            let (mut losses, mut cotangents, mut expected_rows) = (Vec::new(), Vec::new(), Vec::new());
            for task in 0..tasks {
                let (y, truth, row) = (y.task(task), truth.task(task), rows.task(task));
                let (mut total, mut dz) = (0.0, Vec::new());
                for p in 0..points {
                    let (y, t) = point(loss, outputs, p, [&y, &truth]);
                    total += f64::from(part) * loss.value(y, t) / points as f64;
                    let d = loss.cotangent(y, t);
                    let open = y.iter().map(|&y| f64::from(u8::from(relu == 0 || y > 0.0)));
                    let scale = f64::from(weight * part) / points as f64;
                    dz.extend(d.iter().zip(open).map(|(d, open)| open * scale * d));
                }
                let before = |old: f64| if adds == 0 { 0.0 } else { old };
                losses.push(vec![before(report.task(task)[0]) + total]);
                cotangents.push(dz);
                expected_rows.push(vec![row[0] + f64::from(weight) * total, before(row[1]) + total]);
            }
            let buffers = [&y, &truth, &dz, &report, &rows, &y];
            let after = run(&device, &LOSS, &constants(loss), &pass, &buffers, [1, tasks as u32, 1]);
            let what = format!("{shape:?}, {loss}, relu {relu}, part {part}");
            check(&what, &dz.all, &after[2], &cotangents);
            check(&what, &report.all, &after[3], &losses);
            check(&what, &rows.all, &after[4], &expected_rows);
        }
    }
}
