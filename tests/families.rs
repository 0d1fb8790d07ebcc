//! Task families of one's own: the same trainings as built-in sources give, on every device.

mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::case::relative_error;
use fastweights::meta::{Backend, Loss, Losses, OuterOptimizer, Plan, Rates, TrainPlan, TrainState};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::task::{
    Philox, Rows, Sampler, SeriesTable, Sinusoid, TaskFamily, TaskSource, Turn, Visit, sine, unit,
};
use std::sync::Arc;

/// Sinusoids, drawn as the built-in source says that it draws them.
#[derive(Debug)]
struct Sines;

impl TaskFamily for Sines {
    fn name(&self) -> &str {
        "sines"
    }

    fn inputs(&self) -> usize {
        1
    }

    fn draw(&self, words: &mut Philox, _: usize, _: usize, x: &mut [f32], y: &mut [f32]) {
        let Sinusoid { amplitude, phase, x: range } = Sinusoid::default();
        let mut uniform = |[low, high]: [f32; 2]| low + (high - low) * unit(words.word());
        let (a, b) = (uniform(amplitude), uniform(phase));
        x.fill_with(|| uniform(range));
        for (y, x) in y.iter_mut().zip(x) {
            *y = a * sine(*x + b);
        }
    }
}

/// Any built-in source, passed off as a family of one's own that visits its tasks in order.
#[derive(Debug)]
struct Wrapped(TaskSource);

impl TaskFamily for Wrapped {
    fn name(&self) -> &str {
        "wrapped"
    }

    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn draw(&self, _: &mut Philox, _: usize, _: usize, _: &mut [f32], _: &mut [f32]) {
        unreachable!("visit is overridden");
    }

    fn visit(&self, turn: &Turn, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let (source, visit) = (self.0.clone(), Visit::Split);
        let sampler = Sampler { source, seed: turn.seed, meta_batch: turn.meta_batch, support, query, visit };
        sampler.task_into(turn.iteration, turn.task, x, y);
    }
}

fn custom(family: impl TaskFamily + 'static) -> TaskSource {
    TaskSource::Custom(Arc::new(family))
}

fn train(model: &Model, source: TaskSource, visit: Visit, steps: usize) -> TrainPlan {
    let sampler = Sampler { source, seed: 0x0123_4567_89ab_cdef, meta_batch: 7, support: 5, query: 5, visit };
    let (support, query) = sampler.points();
    let plan = Plan::new(model.clone(), Loss::mse(), support, query, steps, Rates::fixed(0.01)).unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-2, 60) }
}

/// Pairs of a built-in source and the same tasks from a family of one's own, for both engines of the CPU.
fn pairs() -> Vec<(&'static str, TrainPlan, TrainPlan)> {
    let mlp = Model::mlp(1, &[9, 8], 1, false).unwrap();
    let conv = Op::conv2d(5, 3, 1, 1);
    let layers = [conv, Op::relu(), Op::flatten(), Op::linear(1)];
    let image = Model::sequential(Shape::Image { channels: 1, height: 3, width: 2 }, &layers).unwrap();
    let sinusoid = |pool| TaskSource::Sinusoid { family: Sinusoid::default(), pool };
    let series = || TaskSource::Series(SeriesTable::generate(3, 20, 40, 6));
    let pair = |name, model: &Model, source: TaskSource, own: TaskSource, visit, steps| {
        (name, train(model, source, visit, steps), train(model, own, visit, steps))
    };
    let (split, wrapped) = (Visit::Split, |source| custom(Wrapped(source)));
    vec![
        pair("sinusoid", &mlp, sinusoid(None), custom(Sines), split, 2),
        pair("pool", &mlp, sinusoid(Some(37)), wrapped(sinusoid(Some(37))), split, 1),
        pair("halves", &mlp, sinusoid(Some(37)), wrapped(sinusoid(Some(37))), Visit::Halves, 0),
        pair("joint", &mlp, sinusoid(None), custom(Sines), Visit::Joint, 0),
        pair("series, convolution", &image, series(), wrapped(series()), split, 2),
    ]
}

/// Twelve iterations from the same start, cut at `cut`.
fn run(device: &dyn Backend, plan: &TrainPlan, cut: u64) -> (Vec<Losses>, TrainState) {
    let theta = Init::Torch.draw(&plan.plan.model, 1);
    let mut first = device.training(plan, TrainState::start(plan.plan.meta_params(&theta))).unwrap();
    let mut losses = first.advance(cut).unwrap();
    let mut second = device.training(plan, first.state().unwrap()).unwrap();
    losses.extend(second.advance(12 - cut).unwrap());
    (losses, second.state().unwrap())
}

#[test]
fn a_family_trains_as_the_built_in_source_of_the_same_tasks() {
    for (name, built_in, own) in pairs() {
        let expected = run(&CpuBackend::new(Some(1)), &built_in, 0);
        assert!(expected.0.iter().all(|l| l.query > 0.0));
        for threads in [1, 2] {
            for cut in [0, 5] {
                let found = run(&CpuBackend::new(Some(threads)), &own, cut);
                assert_eq!(found, expected, "{name}, {threads} threads, cut at {cut}");
            }
        }
    }
}

fn queries(losses: &[Losses]) -> Vec<f64> {
    losses.iter().map(|l| l.query.into()).collect()
}

#[test]
fn a_family_trains_on_a_gpu_as_on_the_cpu() {
    let Some(device) = adapter::device("a_family_trains_on_a_gpu_as_on_the_cpu") else { return };
    let mut gpu = GpuBackend::new(device);
    for path in [Path::Fused, Path::Layered] {
        gpu = gpu.with_path(path);
        for (name, _, own) in pairs().iter().filter(|p| path == Path::Layered || p.2.plan.model.is_mlp()) {
            let (expected, _) = run(&CpuBackend::new(Some(2)), own, 0);
            let (losses, state) = run(&gpu, own, 0);
            let error = relative_error(&queries(&losses), &queries(&expected));
            assert!(error <= 2e-5, "{path:?}, {name}: {error:e}");
            let cut = run(&gpu, own, 5);
            assert_eq!(cut, (losses, state), "{path:?}, {name}: resumed");
        }
    }
}

/// Ways 3 of 5 classes, 12 rows each, whose features point at the class.
fn rows() -> Rows {
    let labels: Vec<_> = (0..60).map(|row| row % 5).collect();
    let noise = |i: u32| unit(Philox::stream(9, fastweights::task::Purpose::Data, 0, i).word()) - 0.5;
    let feature =
        |row: usize, f: usize| f32::from(u8::from(row % 5 == f)) + 0.3 * noise((5 * row + f) as u32);
    let values: Vec<_> =
        (0..60).flat_map(|row| (0..5).map(move |f| (row, f))).map(|(r, f)| feature(r, f)).collect();
    Rows::new(values, 5, &labels, 3).unwrap()
}

fn classifier(source: TaskSource, outputs: usize) -> TrainPlan {
    let sampler = Sampler { source, seed: 4, meta_batch: 8, support: 6, query: 9, visit: Visit::Split };
    let model = Model::mlp(sampler.source.inputs(), &[12], outputs, false).unwrap();
    let plan = Plan::new(model, Loss::cross_entropy(), 6, 9, 2, Rates::fixed(0.1)).unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-2, 400) }
}

#[test]
fn rows_of_ones_own_are_learned_and_judged_on_other_tasks() {
    let family = Arc::new(rows());
    let train = classifier(TaskSource::Custom(Arc::clone(&family) as Arc<dyn TaskFamily>), 3);
    let cpu = CpuBackend::new(Some(2));
    let theta = Init::He.draw(&train.plan.model, 1);
    let mut training = cpu.training(&train, TrainState::start(theta)).unwrap();
    training.advance(300).unwrap();
    let tasks = train.sampler.family_evaluation(&*family, 0, 0..50);
    assert_ne!(tasks.slice(0..8), train.sampler.batch(0), "the tasks of training");
    assert_eq!(tasks.slice(10..20), train.sampler.family_evaluation(&*family, 0, 10..20));
    let params = training.state().unwrap().params;
    let plan = train.plan.for_evaluation(&params, 6, 9, 2, None);
    let loss = cpu.evaluate(&plan, &params, &tasks, false).unwrap().query_loss;
    let mean = |step: usize| loss.iter().skip(step).step_by(3).sum::<f32>() / 50.0;
    assert!(mean(2) < 0.5 * mean(0), "{} after adapting, {} before", mean(2), mean(0));
}

/// Gives a label that is no class, from the second meta-iteration on.
#[derive(Debug)]
struct Mislabelled(Rows, u64);

impl TaskFamily for Mislabelled {
    fn name(&self) -> &str {
        "mislabelled"
    }

    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        self.0.draw(words, support, query, x, y);
    }

    fn visit(&self, turn: &Turn, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        self.draw(&mut turn.words(), support, query, x, y);
        if turn.iteration >= self.1 {
            y[support] = 1e9;
        }
    }
}

#[test]
fn labels_that_are_no_classes_end_a_training() {
    let early = classifier(custom(Mislabelled(rows(), 0)), 3);
    assert!(early.check().unwrap_err().to_string().contains("class label 1000000000"));
    let late = classifier(custom(Mislabelled(rows(), 1)), 3);
    late.check().unwrap();
    let start = || TrainState::start(Init::He.draw(&late.plan.model, 1));
    let error = CpuBackend::new(Some(2)).training(&late, start()).unwrap().advance(3).unwrap_err();
    assert!(error.to_string().contains("meta-iteration 2"), "{error}");
    let Some(device) = adapter::device("labels_that_are_no_classes_end_a_training") else { return };
    let error = GpuBackend::new(device).training(&late, start()).unwrap().advance(3).unwrap_err();
    assert!(error.to_string().contains("class label"), "{error}");
}

/// Leaves its last target out.
#[derive(Debug)]
struct Unfinished;

impl TaskFamily for Unfinished {
    fn name(&self) -> &str {
        "unfinished"
    }

    fn inputs(&self) -> usize {
        2
    }

    fn draw(&self, _: &mut Philox, _: usize, _: usize, x: &mut [f32], y: &mut [f32]) {
        x.fill(0.5);
        y[..9].fill(1.0);
    }
}

#[test]
fn a_family_that_does_not_fit_is_refused_before_training() {
    let mlp = Model::mlp(2, &[4], 1, false).unwrap();
    let error = train(&mlp, custom(Unfinished), Visit::Split, 1).check().unwrap_err().to_string();
    assert!(error.contains("y of point 9") && error.contains("unfinished"), "{error}");
    assert!(train(&mlp, custom(Sines), Visit::Split, 1).check().is_err(), "one input for a model of two");
    let same = custom(Sines);
    assert_eq!(same, same.clone());
    assert_ne!(same, custom(Sines));
}
