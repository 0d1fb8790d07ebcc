//! Convolutions on the CPU against the oracle, alone and between smooth functions: groups, depthwise, dilation, kernels of
//! unequal sides, at odd sizes and at 1, on every instruction set.

mod common;

use common::random_tasks;
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::meta::{Backend as _, Loss, Plan, Rates};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::conv2d::Conv2d;
use fastweights::ops::elementwise::Function;
use fastweights::ops::flatten::Flatten;
use fastweights::ops::linear::Linear;

/// Channels in, a convolution, height and width.
type Case = (usize, Conv2d, [usize; 2]);

fn conv(outputs: usize, kernel: [usize; 2], stride: usize, padding: [usize; 2]) -> Conv2d {
    Conv2d { outputs, kernel, stride, padding, dilation: 1, groups: 1, bias: true }
}

fn cases() -> Vec<Case> {
    let grouped = |channels: usize, groups: usize, conv: Conv2d, sides: [usize; 2]| {
        (channels, Conv2d { groups, ..conv }, sides)
    };
    let dilated = |dilation: usize, case: Case| (case.0, Conv2d { dilation, ..case.1 }, case.2);
    vec![
        // A channel a group, one and two out of each; whole vectors of lanes and less.
        grouped(16, 16, conv(16, [3, 3], 1, [1, 1]), [5, 4]),
        grouped(21, 21, conv(21, [3, 3], 2, [1, 1]), [5, 6]),
        grouped(9, 9, conv(18, [3, 3], 1, [1, 1]), [4, 4]),
        grouped(19, 19, conv(38, [3, 3], 2, [0, 1]), [5, 5]),
        grouped(3, 3, conv(3, [1, 1], 1, [0, 0]), [2, 2]),
        grouped(5, 5, conv(15, [5, 5], 1, [2, 2]), [3, 4]),
        // A few channels a group.
        grouped(6, 2, conv(10, [3, 3], 1, [1, 1]), [4, 5]),
        grouped(6, 3, conv(6, [3, 3], 2, [1, 1]), [5, 4]),
        grouped(20, 5, conv(30, [3, 3], 1, [1, 1]), [3, 3]),
        grouped(28, 4, conv(36, [1, 1], 1, [0, 0]), [2, 3]),
        grouped(42, 6, conv(6, [2, 3], 1, [1, 0]), [3, 4]),
        grouped(32, 8, conv(32, [3, 3], 1, [1, 1]), [3, 4]),
        grouped(34, 2, conv(62, [3, 3], 1, [1, 1]), [3, 3]),
        // Whole vectors a group.
        grouped(32, 2, conv(32, [3, 3], 1, [1, 1]), [4, 3]),
        grouped(16, 2, conv(48, [3, 3], 2, [1, 1]), [4, 4]),
        grouped(48, 3, conv(96, [1, 3], 1, [0, 1]), [2, 3]),
        // Dilation.
        dilated(2, grouped(6, 6, conv(12, [3, 3], 1, [2, 2]), [6, 5])),
        dilated(3, grouped(8, 4, conv(12, [3, 3], 2, [3, 3]), [7, 6])),
        dilated(2, (3, conv(5, [3, 3], 1, [2, 2]), [6, 5])),
        dilated(3, (17, conv(7, [2, 3], 2, [1, 3]), [6, 8])),
        // Kernels of unequal sides.
        (2, conv(5, [1, 7], 1, [0, 3]), [1, 9]),
        (17, conv(18, [1, 5], 2, [0, 2]), [1, 11]),
        (2, conv(4, [4, 1], 1, [1, 0]), [5, 3]),
        dilated(2, grouped(16, 16, conv(16, [1, 3], 1, [0, 2]), [1, 8])),
        grouped(8, 2, conv(12, [5, 1], 1, [2, 0]), [5, 1]),
        // Kernels larger than the image, and images of one pixel.
        (3, conv(4, [5, 5], 1, [2, 2]), [1, 2]),
        grouped(4, 4, conv(8, [5, 5], 1, [2, 2]), [1, 1]),
        grouped(1, 1, conv(1, [1, 1], 1, [0, 0]), [1, 1]),
        grouped(2, 2, conv(2, [3, 3], 1, [1, 1]), [1, 1]),
        grouped(6, 3, conv(9, [3, 3], 3, [4, 4]), [2, 2]),
    ]
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn check(name: &str, plan: &Plan, seed: u64) {
    let tasks = random_tasks(plan, 2, seed);
    let params = plan.meta_params(&Init::Torch.draw(&plan.model, seed));
    let expected = oracle::meta_gradient(plan, &widen(&params), &tasks.map(f64::from)).unwrap();
    assert!(expected.gradient.iter().any(|&g| g != 0.0));
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(1)).with_instructions(instructions).unwrap();
        let found = cpu.meta_gradient(plan, &params, &tasks).unwrap().widen();
        for (what, found, expected) in [
            ("gradient", &found.gradient, &expected.gradient),
            ("query losses", &found.query_loss, &expected.query_loss),
            ("fast weights", &found.fast, &expected.fast),
        ] {
            let error = relative_error(found, expected);
            assert!(error <= 2e-5, "{name} on {}: {what}: {error:e}", instructions.name());
        }
    }
}

fn plan(layers: &[Op], channels: usize, [height, width]: [usize; 2], steps: usize) -> Plan {
    let model = Model::sequential(Shape::Image { channels, height, width }, layers).unwrap();
    let mut plan = Plan::new(model, Loss::mse(), 2, 3, steps, Rates::fixed(0.1)).unwrap();
    plan.track_all = true;
    plan
}

/// The convolution reads points: of the passes, all but the cotangent of its input.
#[test]
fn of_points() {
    for (i, (channels, conv, sides)) in cases().into_iter().enumerate() {
        for bias in [true, false] {
            let layers: [Op; 3] =
                [Conv2d { bias, ..conv }.into(), Function::Tanh {}.into(), Flatten {}.into()];
            check(&format!("{i}: {conv} of {channels} × {sides:?}"), &plan(&layers, channels, sides, 1), 1);
        }
    }
}

/// Between smooth functions: every pass, and every term of its tangents.
#[test]
fn between_smooth_functions() {
    for (i, (channels, conv, sides)) in cases().into_iter().enumerate() {
        let layers: [Op; 6] = [
            Conv2d::square(channels, 1, 1, 0).into(),
            Function::Sine { omega: 2.0 }.into(),
            conv.into(),
            Function::Tanh {}.into(),
            Flatten {}.into(),
            Linear::to(3).into(),
        ];
        check(&format!("{i}: {conv} of {channels} × {sides:?}"), &plan(&layers, 2, sides, 2), 2);
    }
}

/// Alone: its meta-gradient through a squared error.
#[test]
fn alone_and_twice() {
    for (i, (channels, conv, sides)) in cases().into_iter().enumerate() {
        let shape =
            Op::from(conv).output(&[Shape::Image { channels, height: sides[0], width: sides[1] }]).unwrap();
        let again = Conv2d::square(shape.features(), 1, 1, 0);
        let again = Conv2d { groups: conv.groups, ..again };
        let layers: [Op; 3] = [conv.into(), again.into(), Flatten {}.into()];
        check(&format!("{i}: {conv} of {channels} × {sides:?}"), &plan(&layers, channels, sides, 1), 3);
    }
}
