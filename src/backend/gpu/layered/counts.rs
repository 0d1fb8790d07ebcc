//! What networks take, counted from their plans: the figures of `docs/gpu.md`.

use super::plan::{LayeredPlan, LayeredTuning};
use crate::backend::gpu::device::adapter::Capacity;
use crate::backend::gpu::resident::request::Purpose;
use crate::meta::{Loss, Plan, Rates};
use crate::model::{Model, Op, Preset, Shape};
use crate::ops::conv2d::Conv2d;

/// Dispatches of a meta-iteration of so many tasks, GFLOP, MiB.
fn counted(model: &Model, [support, query, steps, tasks]: [usize; 4]) -> [u64; 3] {
    let (loss, rates) = (Loss::cross_entropy(), Rates::fixed(0.01));
    let plan = Plan::new(model.clone(), loss, support, query, steps, rates).unwrap();
    let capacity =
        Capacity { storage_binding_bytes: 4 << 30, buffer_bytes: 64 << 30, ..Capacity::portable() };
    let tuning = LayeredTuning { memory: u64::MAX, ..LayeredTuning::default() };
    let purpose = Purpose::Gradient { report: false };
    let laid = LayeredPlan::new(&plan, tasks, purpose, [true, false], &capacity, &tuning).unwrap();
    let dispatches = laid.tiles.iter().map(Vec::len).sum::<usize>() as u64;
    [dispatches, laid.flops / 1_000_000_000, laid.bytes() >> 20]
}

/// Three layers of 64 channels behind a first, each a convolution, or a depthwise one and one of single pixels.
fn stack(depthwise: bool) -> Model {
    let norm = [Op::batch_norm(1e-5, true), Op::relu()];
    let mut ops = vec![Op::conv2d(64, 3, 2, 1)];
    ops.extend(norm);
    for _ in 0..3 {
        if depthwise {
            ops.push(Conv2d { groups: 64, ..Conv2d::square(64, 3, 2, 1) }.into());
            ops.extend(norm);
            ops.push(Op::conv2d(64, 1, 1, 0));
        } else {
            ops.push(Op::conv2d(64, 3, 2, 1));
        }
        ops.extend(norm);
    }
    ops.extend([Op::global_avg_pool2d(), Op::linear(5)]);
    Model::sequential(Shape::Image { channels: 1, height: 28, width: 28 }, &ops).unwrap()
}

#[test]
fn networks_take_what_the_documents_say() {
    let image = Shape::Image { channels: 3, height: 84, width: 84 };
    let resnet = Preset::named("resnet12").unwrap().unwrap().graph(image, 5).unwrap().finish().unwrap();
    // One task at a time, as each is more than a submission.
    assert_eq!(counted(&resnet, [5, 75, 1, 4]), [4 * 390, 7566, 3498]);
    assert_eq!(counted(&resnet, [5, 75, 5, 4]), [4 * 1430, 12_607, 4997]);
    let (plain, depthwise) = (stack(false), stack(true));
    for (points, taken) in [
        ([5, 5, 1, 32], [[78, 9, 117], [126, 1, 114]]),
        ([5, 5, 5, 32], [[286, 39, 339], [462, 5, 332]]),
        ([5, 75, 1, 32], [[78, 45, 588], [128, 6, 619]]),
        ([5, 75, 5, 32], [[286, 75, 809], [464, 11, 837]]),
    ] {
        assert_eq!([&plain, &depthwise].map(|model| counted(model, points)), taken, "{points:?}");
    }
}
