//! Image tasks drawn on the device: the host's, to the bit.

use crate::adapter;
use fastweights::backend::gpu::GpuBackend;
use fastweights::backend::gpu::LayeredTuning;
use fastweights::data::{Split, glyphs};
use fastweights::meta::{Backend as _, Loss, OuterOptimizer, Plan, Rates, TrainPlan, TrainState};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::task::{ImageTasks, Sampler, TaskSource, Visit};
use std::sync::Arc;

fn train_plan(ways: usize, [shots, queries]: [usize; 2], rotations: bool, visit: Visit) -> TrainPlan {
    // Sides and counts that leave the last word of the images partly empty.
    let set = Arc::new(glyphs::generate(3, 41, 7, 9));
    let source = TaskSource::Images(ImageTasks::new(set, Split::Train, ways, rotations).unwrap());
    let (support, query) = (shots * ways, queries * ways);
    let sampler = Sampler { source, seed: 0x0123_4567_89ab_cdef, meta_batch: 5, support, query, visit };
    let (support, query) = sampler.points();
    let image = Shape::Image { channels: 1, height: 9, width: 9 };
    let layers =
        [Op::conv2d(4, 3, 2, 1), Op::batch_norm(1e-5, true), Op::relu(), Op::flatten(), Op::linear(ways)];
    let model = Model::sequential(image, &layers).unwrap();
    let steps = usize::from(support > 0);
    let plan = Plan::new(model, Loss::cross_entropy(), support, query, steps, Rates::fixed(0.1)).unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(0.0, 8) }
}

/// With a rate of zero every meta-iteration starts from the same parameters, so its losses are those of the tasks that the
/// host draws, bit for bit, if the tasks are.
#[test]
fn drawn_tasks_are_the_hosts_to_the_bit() {
    let Some(device) = adapter::device("drawn_tasks_are_the_hosts_to_the_bit") else { return };
    let mut gpu = GpuBackend::new(device);
    for (ways, points, rotations, visit) in [
        (5, [1, 1], true, Visit::Split),
        (3, [2, 4], true, Visit::Split),
        (20, [1, 2], false, Visit::Split),
        (4, [3, 3], true, Visit::Joint),
        (2, [3, 3], true, Visit::Halves),
    ] {
        let plan = train_plan(ways, points, rotations, visit);
        plan.check().unwrap();
        let params = plan.plan.meta_params(&Init::He.draw(&plan.plan.model, 1));
        for tile in [usize::MAX, 2] {
            gpu = gpu.with_layered_tuning(LayeredTuning { tile, ..LayeredTuning::default() });
            let mut training = gpu.training(&plan, TrainState::start(params.clone())).unwrap();
            for (iteration, losses) in training.advance(13).unwrap().into_iter().enumerate() {
                let batch = plan.sampler.batch(iteration as u64);
                let expected = gpu.meta_gradient(&plan.plan, &params, &batch).unwrap();
                let what = format!("{ways} ways, {points:?}, {visit:?}, iteration {iteration}");
                assert_eq!(losses.query.to_bits(), expected.meta_loss.to_bits(), "{what}");
            }
        }
    }
}
