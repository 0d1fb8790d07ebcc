use super::loss::{SHAPES, constants, losses, numbers, point};
use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::loss::{LossPass, TANGENT};
use fastweights::backend::oracle::Dual;

#[test]
fn tangents_of_losses_are_their_formulas() {
    let Some(device) = adapter::device("tangents_of_losses_are_their_formulas") else { return };
    for (shape, loss) in SHAPES.into_iter().flat_map(|shape| losses().map(|loss| (shape, loss))) {
        let [points, outputs, tasks] = shape;
        for relu in [0, 1] {
            let [y, truth] = numbers(shape, loss);
            let y_dot = Numbers::new(tasks, points * outputs, 5);
            let dz_dot = Numbers::poisoned(tasks, points * outputs);
            let pass = LossPass {
                points: points as u32,
                outputs: outputs as u32,
                relu,
                y: y.place,
                truth: truth.place,
                y_dot: y_dot.place,
                dz_dot: dz_dot.place,
                weight: 2.0,
                part: 0.5,
                ..LossPass::default()
            };
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (y, truth, y_dot) = (y.task(task), truth.task(task), y_dot.task(task));
                    let mut all = Vec::new();
                    for p in 0..points {
                        let (y, t) = point(loss, outputs, p, [&y, &truth]);
                        let y_dot = &y_dot[p * outputs..][..outputs];
                        let dual: Vec<_> =
                            y.iter().zip(y_dot).map(|(&value, &tangent)| Dual { value, tangent }).collect();
                        let turned = loss.cotangent(&dual, t);
                        let open = |y: f64| f64::from(u8::from(relu == 0 || y > 0.0));
                        all.extend(y.iter().zip(turned).map(|(&y, d)| open(y) * d.tangent / points as f64));
                    }
                    all
                })
                .collect();
            let buffers = [&y, &y_dot, &truth, &dz_dot, &y];
            let after = run(&device, &TANGENT, &constants(loss), &pass, &buffers, [1, tasks as u32, 1]);
            check(&format!("{shape:?}, {loss}, relu {relu}"), &dz_dot.all, &after[3], &expected);
        }
    }
}
