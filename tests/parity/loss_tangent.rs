use super::loss::{SHAPES, numbers, softmax};
use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::loss::{LossPass, TANGENT};

#[test]
fn tangents_of_losses_are_their_formulas() {
    let Some(device) = adapter::device("tangents_of_losses_are_their_formulas") else { return };
    for shape in SHAPES {
        let [points, outputs, tasks] = shape;
        for (kind, relu) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let [y, _] = numbers(shape, false);
            let y_dot = Numbers::new(tasks, points * outputs, 5);
            let dz_dot = Numbers::poisoned(tasks, points * outputs);
            let pass = LossPass {
                points: points as u32,
                outputs: outputs as u32,
                relu,
                y: y.place,
                y_dot: y_dot.place,
                dz_dot: dz_dot.place,
                weight: 1.0,
                ..LossPass::default()
            };
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (y, y_dot) = (y.task(task), y_dot.task(task));
                    let mut all = Vec::new();
                    for p in 0..points {
                        let (y, y_dot) = (&y[p * outputs..][..outputs], &y_dot[p * outputs..][..outputs]);
                        let s = softmax(y);
                        let mean: f64 = s.iter().zip(y_dot).map(|(s, d)| s * d).sum();
                        for o in 0..outputs {
                            let d = match kind {
                                0 => 2.0 * y_dot[o] / (points * outputs) as f64,
                                _ => s[o] * (y_dot[o] - mean) / points as f64,
                            };
                            all.push(if relu == 1 && y[o] <= 0.0 { 0.0 } else { d });
                        }
                    }
                    all
                })
                .collect();
            let constants = [("LOSS", f64::from(kind))];
            let buffers = [&y, &y_dot, &dz_dot, &y];
            let after = run(&device, &TANGENT, &constants, &pass, &buffers, [1, tasks as u32, 1]);
            check(&format!("{shape:?}, loss {kind}, relu {relu}"), &dz_dot.all, &after[2], &expected);
        }
    }
}
