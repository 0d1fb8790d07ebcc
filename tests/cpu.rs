//! The CPU backend against golden cases and the oracle; its bytes against themselves.

mod common;

use common::{golden_cases, random_tasks};
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::meta::{
    Adapt, Backend, Loss, MetaGradient, OuterOptimizer, Plan, RateShape, Rates, Schedule, TrainPlan,
    TrainState,
};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::elementwise::Function;
use fastweights::ops::linear::Linear;
use fastweights::task::{Sampler, SeriesTable, Sinusoid, TaskSource, Visit};

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn every_backend() -> impl Iterator<Item = (CpuBackend, &'static str)> {
    let all = Instructions::available();
    assert!(!all.is_empty());
    all.into_iter().map(|i| (CpuBackend::new(Some(2)).with_instructions(i).unwrap(), i.name()))
}

#[test]
fn golden_cases_on_every_instruction_set() {
    for (cpu, name) in every_backend() {
        for (case_name, case) in golden_cases() {
            let params: Vec<f32> = case.params.iter().map(|&v| v as f32).collect();
            let tasks = case.tasks.map(|v| v as f32);
            let out = cpu.meta_gradient(&case.plan, &params, &tasks).unwrap();
            for (tensor, error) in case.compare(&out.widen()) {
                assert!(error <= 2e-5, "{case_name} on {name}: {tensor}: {error:e}");
            }
        }
    }
}

/// Linear layers of the given widths with functions behind them.
fn chain(inputs: usize, layers: &[(usize, Option<Function>)]) -> Model {
    let ops = layers.iter().flat_map(|&(width, function)| {
        [Some(Linear::to(width).into()), function.map(Op::from)].into_iter().flatten()
    });
    Model::sequential(Shape::Vector(inputs), &ops.collect::<Vec<Op>>()).unwrap()
}

/// Every setting of the inner loop at odd sizes, against the oracle.
fn settings() -> Vec<(String, Plan)> {
    let mut all = Vec::new();
    let models = [
        Model::mlp(1, &[], 1, false).unwrap(),
        Model::mlp(1, &[7], 1, false).unwrap(),
        Model::mlp(3, &[9, 5], 2, true).unwrap(),
        Model::mlp(13, &[17, 11, 6], 4, false).unwrap(),
        chain(3, &[(9, Some(Function::Tanh {})), (5, Some(Function::Sine { omega: 3.0 })), (2, None)]),
        chain(
            2,
            &[
                (7, Some(Function::Silu {})),
                (6, Some(Function::Relu {})),
                (5, None),
                (4, Some(Function::Gelu {})),
                (3, Some(Function::Sigmoid {})),
            ],
        ),
    ];
    for model in models {
        for loss in [Loss::mse(), Loss::cross_entropy()] {
            for (support, query, steps) in [(1, 1, 1), (3, 7, 1), (5, 2, 3), (4, 4, 2), (0, 6, 0)] {
                let base = Plan::new(model.clone(), loss, support, query, steps, Rates::fixed(0.05)).unwrap();
                let name = format!("{} layers {loss:?} {support}+{query} ×{steps}", model.nodes().len());
                let mut add = |what: &str, plan: Plan| all.push((format!("{name} {what}"), plan));
                add("plain", Plan { track_all: true, ..base.clone() });
                if steps == 0 {
                    continue;
                }
                add("first order", Plan { order: MetaGradient::FirstOrder, ..base.clone() });
                for adapt in [Adapt::Head, Adapt::Body] {
                    add(
                        &format!("{adapt:?}"),
                        Plan { track_all: true, ..base.clone().adapt(&adapt).unwrap() },
                    );
                }
                let weights: Vec<f64> = (0..=steps)
                    .map(|j| [0.5, 0.0, 0.3, 1.0][j % 4] + f64::from(u8::from(j == steps)))
                    .collect();
                let mut early = vec![0.0; steps + 1];
                early[steps - 1] = 1.0;
                add("no last loss", Plan { loss_weights: early, ..base.clone() });
                add("multi-step loss", Plan { loss_weights: weights.clone(), ..base.clone() });
                for shape in [
                    RateShape::One,
                    RateShape::PerLayerStep,
                    RateShape::PerParameter,
                    RateShape::PerParameterStep,
                ] {
                    for order in [MetaGradient::FirstOrder, MetaGradient::SecondOrder] {
                        let mut plan = Plan { order, loss_weights: weights.clone(), ..base.clone() };
                        plan.rates = Rates { shape, learned: true, values: vec![], range: None };
                        plan.rates.values =
                            (0..plan.rate_count()).map(|i| 0.01 + 0.01 * (i % 5) as f64).collect();
                        add(&format!("{shape:?} {order:?}"), plan);
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_setting_agrees_with_the_oracle() {
    let settings = settings();
    assert!(settings.len() > 300);
    for (cpu, isa) in every_backend() {
        for (i, (name, plan)) in settings.iter().enumerate() {
            let count = [1, 3, 16, 19][i % 4];
            let tasks = random_tasks(plan, count, i as u64);
            let params = plan.meta_params(&Init::Torch.draw(&plan.model, i as u64));
            let out = cpu.meta_gradient(plan, &params, &tasks).unwrap().widen();
            let expected = oracle::meta_gradient(plan, &widen(&params), &tasks.map(f64::from)).unwrap();
            let error = relative_error(&out.gradient, &expected.gradient);
            assert!(error <= 2e-5, "{name} on {isa}, {count} tasks: {error:e}");
            assert!((out.meta_loss - expected.meta_loss).abs() <= 2e-5 * expected.meta_loss.abs(), "{name}");
            assert!(relative_error(&out.support_loss, &expected.support_loss) <= 2e-5, "{name}");
            if plan.track_all {
                assert!(relative_error(&out.query_loss, &expected.query_loss) <= 2e-5, "{name}");
                assert!(relative_error(&out.fast, &expected.fast) <= 2e-5, "{name}");
            }
        }
    }
}

#[test]
fn evaluation_gives_the_losses_that_the_oracle_gives() {
    for (cpu, isa) in every_backend() {
        let model = Model::mlp(1, &[40, 40], 1, false).unwrap();
        let theta = Init::Torch.draw(&model, 3);
        let plan = Plan::new(model, Loss::mse(), 5, 5, 1, Rates::fixed(0.01)).unwrap();
        let plan = plan.for_evaluation(&theta, 5, 50, 7, None);
        let tasks = random_tasks(&plan, 21, 9);
        let found = cpu.evaluate(&plan, &theta, &tasks, true).unwrap();
        let expected = oracle::meta_gradient(&plan, &widen(&theta), &tasks.map(f64::from)).unwrap();
        assert!(relative_error(&widen(&found.query_loss), &expected.query_loss) <= 2e-5, "{isa}");
        // The predictions give the losses.
        let predictions = found.predictions.unwrap();
        for (task, losses) in found.query_loss.chunks(8).enumerate() {
            for (j, &loss) in losses.iter().enumerate() {
                let out = &predictions[(j * 21 + task) * 50..][..50];
                let y = &tasks.query_y[task * 50..][..50];
                let mean = out.iter().zip(y).map(|(o, y)| (o - y) * (o - y)).sum::<f32>() / 50.0;
                assert!(
                    (mean - loss).abs() <= 1e-5 * loss,
                    "{isa}: task {task}, step {j}: {mean} is not {loss}"
                );
            }
        }
    }
}

fn training(source: TaskSource, visit: Visit, meta_batch: usize, steps: usize) -> TrainPlan {
    let model = Model::mlp(source.inputs(), &[12, 9], 1, false).unwrap();
    training_of(model, source, visit, meta_batch, steps)
}

/// A training of a convolutional network that takes windows of a series for images.
fn image_training(visit: Visit, meta_batch: usize, steps: usize) -> TrainPlan {
    let conv = |outputs| Op::conv2d(outputs, 3, 1, 1);
    let norm = Op::batch_norm(1e-5, true);
    let pool = Op::max_pool2d(2, 2);
    let linear = Op::linear(1);
    let layers = [conv(7), norm, Op::relu(), pool, conv(5), norm, Op::relu(), Op::flatten(), linear];
    let model = Model::sequential(Shape::Image { channels: 1, height: 6, width: 5 }, &layers).unwrap();
    let series = TaskSource::Series(SeriesTable::generate(1, 20, 60, 30));
    let mut train = training_of(model, series, visit, meta_batch, steps);
    if steps > 0 {
        train.plan.rates = Rates {
            shape: RateShape::PerParameter,
            learned: true,
            values: vec![0.01; train.plan.model.param_count()],
            range: None,
        };
    }
    train
}

fn training_of(model: Model, source: TaskSource, visit: Visit, meta_batch: usize, steps: usize) -> TrainPlan {
    let sampler = Sampler { source, seed: 11, meta_batch, support: 5, query: 5, visit };
    let (support, query) = sampler.points();
    let plan = Plan::new(model, Loss::mse(), support, query, steps, Rates::fixed(0.01)).unwrap();
    let mut outer = OuterOptimizer::adam(1e-2, 100);
    outer.schedule = Schedule::Cosine;
    outer.clip_norm = Some(0.5);
    TrainPlan { plan, sampler, outer }
}

fn sinusoids(pool: Option<u32>) -> TaskSource {
    TaskSource::Sinusoid { family: Sinusoid::default(), pool }
}

fn trainings() -> Vec<TrainPlan> {
    let series = TaskSource::Series(SeriesTable::generate(1, 20, 60, 8));
    vec![
        training(sinusoids(None), Visit::Split, 70, 2),
        training(sinusoids(Some(37)), Visit::Split, 10, 1),
        training(sinusoids(Some(37)), Visit::Halves, 10, 0),
        training(sinusoids(None), Visit::Joint, 25, 0),
        training(series, Visit::Split, 33, 2),
        image_training(Visit::Split, 35, 2),
        image_training(Visit::Joint, 7, 0),
    ]
}

fn start(train: &TrainPlan) -> TrainState {
    TrainState::start(train.plan.meta_params(&Init::Torch.draw(&train.plan.model, 5)))
}

#[test]
fn bytes_do_not_depend_on_threads_or_on_where_a_run_was_cut() {
    for train in trainings() {
        let start = start(&train);
        let mut states = Vec::new();
        for threads in [1, 2, 3, 5] {
            let mut whole = CpuBackend::new(Some(threads)).training(&train, start.clone()).unwrap();
            let losses = whole.advance(30).unwrap();
            assert_eq!(losses.len(), 30);
            states.push(whole.state().unwrap());
        }
        let cpu = CpuBackend::new(Some(2));
        let mut first = cpu.training(&train, start).unwrap();
        first.advance(11).unwrap();
        let mut second = cpu.training(&train, first.state().unwrap()).unwrap();
        second.advance(19).unwrap();
        states.push(second.state().unwrap());
        for state in &states {
            assert!(*state == states[0], "the same bytes");
            assert_eq!(state.iteration, 30);
        }
    }
}

/// One meta-iteration is the sampler's tasks through `meta_gradient` and the optimizer's plain form.
#[test]
fn a_training_step_is_sampling_gradient_and_update() {
    for (cpu, isa) in every_backend() {
        for train in trainings() {
            let start = start(&train);
            let (mut state, mut expected) = (start.clone(), start.clone());
            let mut run = cpu.training(&train, start).unwrap();
            for iteration in 0..3 {
                let losses = run.advance(1).unwrap();
                state = run.state().unwrap();
                let tasks = train.sampler.batch(iteration);
                let out = oracle::meta_gradient(&train.plan, &widen(&expected.params), &tasks.map(f64::from))
                    .unwrap();
                assert!((f64::from(losses[0].query) - out.meta_loss).abs() <= 2e-5 * out.meta_loss, "{isa}");
                let norm = out.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
                let scale = (0.5 / norm).min(1.0);
                let scalars = train.outer.scalars(iteration);
                for (e, gradient) in out.gradient.iter().enumerate() {
                    let (m, v) = (&mut expected.m[e], &mut expected.v[e]);
                    expected.params[e] -= train.outer.change(scalars, (gradient * scale) as f32, m, v);
                }
                // Adam divides by the gradient's own size, so small elements are judged by the moments.
                assert!(relative_error(&widen(&state.m), &widen(&expected.m)) <= 1e-4, "{isa}");
                assert!(relative_error(&widen(&state.v), &widen(&expected.v)) <= 1e-4, "{isa}");
                expected.params.clone_from(&state.params);
            }
            assert_eq!(state.iteration, 3);
        }
    }
}

#[test]
fn a_loss_that_leaves_the_finite_range_is_an_error() {
    let mut train = training(sinusoids(None), Visit::Split, 10, 3);
    train.plan.rates = Rates::fixed(1e12);
    let start = start(&train);
    let error = CpuBackend::new(None).training(&train, start).unwrap().advance(5).unwrap_err();
    assert!(error.to_string().contains("not finite at meta-iteration 1"), "{error}");
}
