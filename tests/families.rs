//! Task families of one's own: the same trainings as built-in sources give, on every device.

mod adapter;

use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::meta::{
    Backend, Loss, Losses, OuterKind, OuterOptimizer, Plan, Rates, TrainPlan, TrainState,
};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::batch_norm::BatchNorm;
use fastweights::ops::elementwise::Function;
use fastweights::ops::linear::Linear;
use fastweights::task::{
    Philox, Rows, Sampler, SeriesTable, Sinusoid, TaskBatch, TaskFamily, TaskSource, Turn, Visit, sine, unit,
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
        for (name, _, own) in pairs().iter().filter(|p| path == Path::Layered || p.2.plan.model.is_chain()) {
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

/// Tasks of a fixed list with unequal numbers of points, the rest left as it is.
#[derive(Debug)]
struct Unequal {
    classes: bool,
}

impl Unequal {
    const COUNTS: [[usize; 2]; 4] = [[5, 4], [3, 6], [2, 1], [4, 5]];

    fn pick(words: &mut Philox) -> usize {
        fastweights::task::below(words.word(), 4) as usize
    }
}

impl TaskFamily for Unequal {
    fn name(&self) -> &str {
        "unequal"
    }

    fn inputs(&self) -> usize {
        3
    }

    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let task = Self::pick(words);
        let [s, q] = Self::COUNTS[task];
        for point in (0..s).chain(support..support + q.min(query)) {
            let wave = |f: f32| (f * (point + 7 * task + 1) as f32).sin();
            x[point * 3..][..3].copy_from_slice(&[wave(1.3), wave(2.1), wave(0.4)]);
            y[point] = if self.classes { ((point + task) % 3) as f32 } else { wave(0.9) };
        }
    }

    fn weighs(&self) -> bool {
        true
    }

    fn weigh(&self, words: &mut Philox, support: usize, _: usize, weights: &mut [f32]) {
        let [s, q] = Self::COUNTS[Self::pick(words)];
        weights[s..support].fill(0.0);
        weights[support + q..].fill(0.0);
    }
}

/// A chain that has engines of its own where all points count alike, and a network with a batch norm.
fn unequal(classes: bool, norm: bool, steps: usize) -> TrainPlan {
    let source = custom(Unequal { classes });
    let visit = if steps == 0 { Visit::Joint } else { Visit::Split };
    let sampler = Sampler { source, seed: 6, meta_batch: 5, support: 5, query: 6, visit };
    let outputs = if classes { 3 } else { 1 };
    let norm = norm.then(|| Op::from(BatchNorm { eps: 0.1, affine: true }));
    let head = [Function::Relu {}.into(), Linear::to(outputs).into()];
    let ops: Vec<Op> = [Linear::to(9).into()].into_iter().chain(norm).chain(head).collect();
    let model = Model::sequential(Shape::Vector(3), &ops).unwrap();
    let loss = if classes { Loss::cross_entropy() } else { Loss::huber(0.5) };
    let (support, query) = sampler.points();
    let plan = Plan::new(model, loss, support, query, steps, Rates::fixed(0.1)).unwrap();
    // A step of the size of the gradient, so that the gradient can be read off.
    let outer = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(1.0, 100) };
    TrainPlan { plan, sampler, outer }
}

/// The points of one task of a batch that count, alone.
fn alone(tasks: &TaskBatch, task: usize) -> TaskBatch<f64> {
    let one = tasks.slice(task..task + 1).map(f64::from);
    let weights = one.weights.clone().unwrap();
    let kept = |all: &[f64], weights: &[f64], width: usize| -> Vec<f64> {
        let rows = all.chunks_exact(width).zip(weights);
        rows.filter(|(_, weight)| **weight > 0.0).flat_map(|(row, _)| row.to_vec()).collect()
    };
    let count = |weights: &[f64]| weights.iter().filter(|weight| **weight > 0.0).count();
    TaskBatch {
        support: count(&weights.support),
        query: count(&weights.query),
        support_x: kept(&one.support_x, &weights.support, 3).into(),
        support_y: kept(&one.support_y, &weights.support, 1).into(),
        query_x: kept(&one.query_x, &weights.query, 3).into(),
        query_y: kept(&one.query_y, &weights.query, 1).into(),
        weights: None,
        ..one
    }
}

/// The meta-gradient and the losses of the tasks of a meta-iteration, each alone with the points that it has.
fn one_by_one(train: &TrainPlan, theta: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (tasks, theta) = (train.sampler.batch(0), theta.iter().map(|&t| t.into()).collect::<Vec<f64>>());
    let (mut mean, mut losses) = (vec![0.0; theta.len()], Vec::new());
    for task in 0..tasks.tasks {
        let one = alone(&tasks, task);
        let plan = Plan { support: one.support, query: one.query, track_all: true, ..train.plan.clone() };
        let out = oracle::meta_gradient(&plan, &theta, &one).unwrap();
        mean.iter_mut().zip(&out.gradient).for_each(|(sum, g)| *sum += g / tasks.tasks as f64);
        losses.extend(out.query_loss);
    }
    (mean, losses)
}

fn unequal_tasks_train_as_the_tasks_alone(device: &dyn Backend) {
    for (classes, norm, steps) in
        [(false, false, 2), (true, false, 1), (false, true, 1), (true, true, 2), (true, false, 0)]
    {
        let train = unequal(classes, norm, steps);
        let what = format!("classes {classes}, norm {norm}, {steps} steps on {}", device.name());
        let theta = Init::Torch.draw(&train.plan.model, 2);
        let (gradient, losses) = one_by_one(&train, &theta);
        device.forecast(&train).unwrap();
        let mut training = device.training(&train, TrainState::start(theta.clone())).unwrap();
        let loss = f64::from(training.advance(1).unwrap()[0].query);
        let moved = training.state().unwrap().params;
        let found: Vec<f64> = theta.iter().zip(&moved).map(|(t, m)| f64::from(*t) - f64::from(*m)).collect();
        let error = relative_error(&found, &gradient);
        assert!(error <= 2e-5, "{what}: {error:e}");
        let last: Vec<f64> = losses.iter().skip(steps).step_by(steps + 1).copied().collect();
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        assert!((loss - mean).abs() <= 2e-5 * mean, "{what}: {loss} is not {mean}");
        // Judged, too, over the points that there are.
        let (support, query) = train.sampler.points();
        let plan = train.plan.for_evaluation(&theta, support, query, steps, None);
        let judged = device.evaluate(&plan, &theta, &train.sampler.batch(0), false).unwrap().query_loss;
        let judged: Vec<f64> = judged.iter().map(|&loss| loss.into()).collect();
        let error = relative_error(&judged, &losses);
        assert!(error <= 2e-5, "{what}, judged: {error:e}");
        training.advance(3).unwrap();
    }
}

#[test]
fn tasks_of_unequal_numbers_of_points_train() {
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(1)).with_instructions(instructions).unwrap();
        unequal_tasks_train_as_the_tasks_alone(&cpu);
    }
    // The same bytes on any number of threads, and sequences of their own for evaluation.
    let train = unequal(true, false, 2);
    let bytes = |threads| {
        let start = TrainState::start(Init::Torch.draw(&train.plan.model, 2));
        let mut training = CpuBackend::new(Some(threads)).training(&train, start).unwrap();
        training.advance(5).unwrap();
        training.state().unwrap().params
    };
    assert_eq!(bytes(1), bytes(2));
    let judged = train.sampler.family_evaluation(&Unequal { classes: true }, 0, 0..8);
    judged.check().unwrap();
    let counts = judged.weights.unwrap().support.chunks(5).map(|w| w.iter().sum::<f32>()).collect::<Vec<_>>();
    assert!(counts.iter().any(|&count| count != counts[0]), "{counts:?}");
    let Some(device) = adapter::device("tasks_of_unequal_numbers_of_points_train") else { return };
    unequal_tasks_train_as_the_tasks_alone(&GpuBackend::new(device));
}
