//! The learner API: what each algorithm does against formulas of its own, one task against many, files, trainings.

mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::learner::{Algorithm, Learner, Maml, MetaLearner, Points, Reptile};
use fastweights::meta::{
    Adapt, Backend, InnerOptimizer, InnerRule, Loss, MetaGradient, OuterKind, OuterOptimizer, Plan,
    RateShape, Rates,
};
use fastweights::model::{Model, Op, Shape};
use fastweights::task::{Sampler, Sinusoid, TaskBatch, TaskSource, Visit};
use std::ops::ControlFlow;

fn mlp() -> Model {
    Model::mlp(1, &[8, 7], 1, false).unwrap()
}

fn normed() -> Model {
    let norm = Op::batch_norm(1e-3, true);
    Model::sequential(Shape::Vector(1), &[Op::linear(6), norm, Op::relu(), Op::linear(1)]).unwrap()
}

fn sampler(meta_batch: usize) -> Sampler {
    let source = TaskSource::Sinusoid { family: Sinusoid::default(), pool: None };
    Sampler { source, seed: 9, meta_batch, support: 5, query: 6, visit: Visit::Split }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f64, what: &str) {
    let error = relative_error(&wide(a), &wide(b));
    assert!(error <= tolerance, "{what}: {error:e}");
}

/// θ ← θ − 0.1 g, so that a step shows the gradient.
fn by_gradient(algorithm: Algorithm) -> Algorithm {
    let outer = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.1, 1000) };
    Algorithm { outer, ..algorithm }
}

/// One step of each algorithm is the oracle's meta-gradient of the plan that its paper describes, spelled out here.
#[test]
fn a_step_is_the_update_that_the_paper_describes() {
    let cpu = CpuBackend::new(Some(2));
    let tasks = sampler(5).batch(0);
    let base = |model: Model, steps| Plan::new(model, Loss::mse(), 5, 6, steps, Rates::fixed(0.01)).unwrap();
    let learned = |mut plan: Plan, shape| {
        plan.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
        plan.rates.values = vec![0.01; plan.rate_count()];
        plan
    };
    let mut plus = learned(base(normed().with_norm_steps(3), 3).keep_batch_norm(), RateShape::PerLayerStep);
    plus.order = MetaGradient::FirstOrder;
    plus.loss_weights = vec![0.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0];
    let mut first = base(mlp(), 1);
    first.order = MetaGradient::FirstOrder;
    for (name, algorithm, plan) in [
        ("maml", Algorithm::maml(mlp(), Loss::mse()), base(mlp(), 1)),
        ("first order", Algorithm::first_order_maml(mlp(), Loss::mse()), first),
        ("anil", Algorithm::anil(mlp(), Loss::mse()), base(mlp(), 1).adapt(&Adapt::Head).unwrap()),
        ("boil", Algorithm::boil(mlp(), Loss::mse()), base(mlp(), 1).adapt(&Adapt::Body).unwrap()),
        (
            "meta-sgd",
            Algorithm::meta_sgd(mlp(), Loss::mse()),
            learned(base(mlp(), 1), RateShape::PerParameter),
        ),
        ("maml++", Algorithm::maml_plus_plus(normed(), Loss::mse(), 3, 100), plus),
    ] {
        let mut learner = Maml::new(by_gradient(algorithm), &cpu).unwrap();
        let before = learner.state().params.clone();
        let losses = learner.step(&tasks).unwrap();
        let truth = oracle::meta_gradient(&plan, &wide(&before), &tasks.map(f64::from)).unwrap();
        let expected: Vec<f64> =
            wide(&before).iter().zip(&truth.gradient).map(|(p, g)| p - 0.1 * g).collect();
        let error = relative_error(&wide(&learner.state().params), &expected);
        assert!(error <= 1e-6, "{name}: {error:e}");
        assert!((f64::from(losses.query) - truth.meta_loss).abs() <= 1e-5 * truth.meta_loss, "{name}");
        assert_eq!(learner.state().iteration, 1);
    }
}

/// MAML++ turns to second order and to the last loss as it was told.
#[test]
fn annealing_ends_where_it_was_told() {
    let cpu = CpuBackend::new(Some(1));
    let mut algorithm = by_gradient(Algorithm::maml_plus_plus(normed(), Loss::mse(), 2, 20));
    algorithm.outer.meta_lr = 1e-3;
    let mut learner = Maml::new(algorithm, &cpu).unwrap();
    let tasks = sampler(4);
    for i in 0..12 {
        let before = learner.state().params.clone();
        learner.step(&tasks.batch(i)).unwrap();
        let mut plan = learner.algorithm().plan(5, 6).unwrap();
        plan.annealing = Default::default();
        plan.order = if i < 2 { MetaGradient::FirstOrder } else { MetaGradient::SecondOrder };
        let done = i.min(10) as f64 / 10.0;
        plan.loss_weights = vec![0.0, 0.5 * (1.0 - done), 0.5 * (1.0 + done)];
        let truth = oracle::meta_gradient(&plan, &wide(&before), &tasks.batch(i).map(f64::from)).unwrap();
        let expected: Vec<f64> =
            wide(&before).iter().zip(&truth.gradient).map(|(p, g)| p - 1e-3 * g).collect();
        let error = relative_error(&wide(&learner.state().params), &expected);
        assert!(error <= 1e-6, "meta-iteration {i}: {error:e}");
    }
}

/// The learner's steps, the same algorithm trained where tasks are drawn, and a loop by hand.
#[test]
fn reptile_goes_the_mean_way() {
    let cpu = CpuBackend::new(Some(2));
    let mut algorithm = Algorithm::reptile(mlp(), Loss::mse(), 4, 0.3);
    algorithm.outer.iterations = 3;
    algorithm.inner.optimizer = InnerRule::Adam { betas: [0.0, 0.9], epsilon: 1e-3 }.into();
    let tasks = sampler(3);
    let mut learner = Reptile::new(algorithm.clone(), &cpu).unwrap();
    let mut by_hand = learner.state().params.clone();
    for i in 0..3 {
        let batch = tasks.batch(i);
        let mut way = vec![0.0; by_hand.len()];
        for task in 0..3 {
            let mut one = learner.learner();
            one.adapt(&Points::support_of(&batch, task), 4).unwrap();
            for ((way, fast), theta) in way.iter_mut().zip(one.fast_weights()).zip(&by_hand) {
                *way += (fast - theta) / 3.0;
            }
        }
        by_hand.iter_mut().zip(&way).for_each(|(theta, way)| *theta += 0.3 * way);
        learner.step(&batch).unwrap();
        close(&learner.state().params, &by_hand, 1e-6, "a step by hand");
    }
    let mut drawn = Maml::new(algorithm, &cpu).unwrap();
    drawn.train(&tasks, &mut |_| ControlFlow::Continue(())).unwrap();
    close(&drawn.state().params, &by_hand, 1e-5, "a training");
}

fn one_and_many(backend: &dyn Backend, tolerance: f64) {
    let tasks = sampler(3).batch(4);
    let adam = InnerRule::Adam { betas: [0.5, 0.9], epsilon: 0.1 };
    for (name, algorithm) in [
        ("maml", Algorithm::maml(mlp(), Loss::mse()).with(|inner| inner.steps = 3)),
        ("anil", Algorithm::anil(mlp(), Loss::mse()).with(|inner| inner.steps = 3)),
        (
            "adam",
            Algorithm::maml(mlp(), Loss::mse())
                .with(|inner| (inner.steps, inner.optimizer) = (3, adam.into())),
        ),
        ("maml++", Algorithm::maml_plus_plus(normed(), Loss::mse(), 3, 100)),
    ] {
        let mut maml = Maml::new(algorithm, backend).unwrap();
        // Rates and norms of each step that differ, so that none can be taken for another.
        let state = maml.state_mut();
        for (i, value) in state.params.iter_mut().enumerate() {
            *value *= 1.0 + 0.1 * (i % 5) as f32;
        }
        let many = maml.adapt(&tasks, 4).unwrap();
        let losses = maml.evaluate(&tasks, 4, false).unwrap().query_loss;
        for (task, adapted) in many.iter().enumerate() {
            let (support, query) = (Points::support_of(&tasks, task), Points::query_of(&tasks, task));
            let at = |learner: &Learner<'_>| learner.evaluate(&query).unwrap().loss;
            let mut learner = maml.learner();
            close(&[at(&learner)], &losses[task * 5..][..1], tolerance, &format!("{name}: before"));
            learner.adapt(&support, 4).unwrap();
            close(learner.fast_weights(), adapted.fast_weights(), tolerance, &format!("{name}: one call"));
            close(&[at(&learner)], &losses[task * 5 + 4..][..1], tolerance, &format!("{name}: after"));
            assert_eq!((learner.steps(), adapted.steps()), (4, 4));
            // Moments do not outlive a call; everything else goes on.
            if !maml.algorithm().inner.optimizer.has_moments() {
                let mut stepwise = maml.learner();
                for step in 1..=4 {
                    stepwise.adapt(&support, 1).unwrap();
                    close(
                        &[at(&stepwise)],
                        &losses[task * 5 + step..][..1],
                        tolerance,
                        &format!("{name}: {step}"),
                    );
                }
                close(
                    stepwise.fast_weights(),
                    adapted.fast_weights(),
                    tolerance,
                    &format!("{name}: stepwise"),
                );
            }
            let outputs = learner.predict(&query.x).unwrap();
            let mse = outputs.iter().zip(&query.y).map(|(o, y)| (o - y).powi(2)).sum::<f32>() / 6.0;
            close(&[mse], &[at(&learner)], tolerance, &format!("{name}: predictions"));
        }
    }
}

#[test]
fn one_task_is_adapted_as_many_are() {
    one_and_many(&CpuBackend::new(Some(2)), 2e-6);
}

#[test]
fn one_task_is_adapted_as_many_are_on_the_gpu() {
    let Some(device) = adapter::device("one_task_is_adapted_as_many_are_on_the_gpu") else { return };
    one_and_many(&GpuBackend::new(device), 2e-5);
}

#[test]
fn classes_have_an_accuracy() {
    let cpu = CpuBackend::new(Some(1));
    let image = Shape::Image { channels: 1, height: 2, width: 2 };
    let model = Model::sequential(image, &[Op::flatten(), Op::linear(2)]).unwrap();
    let maml =
        Maml::new(Algorithm::maml(model, Loss::cross_entropy()).with(|inner| inner.lr = 1.0), &cpu).unwrap();
    let points = Points::new([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0], [0.0, 1.0]);
    let mut learner = maml.learner();
    learner.adapt(&points, 20).unwrap();
    let score = learner.evaluate(&points).unwrap();
    assert_eq!(score.accuracy, Some(1.0));
    let swapped = Points::new(points.x.clone(), [1.0, 0.0]);
    assert_eq!(learner.evaluate(&swapped).unwrap().accuracy, Some(0.0));
    assert_eq!(learner.predict(&points.x).unwrap().len(), 4);
}

/// Broken off and gone on with, beside another training, a training gives the bytes of one alone; given tasks give it to
/// rounding.
#[test]
fn trainings_stop_go_on_and_do_not_mix() {
    let cpu = CpuBackend::new(Some(2));
    let algorithm = |seed| {
        let mut algorithm = Algorithm { seed, ..Algorithm::maml(mlp(), Loss::mse()) };
        algorithm.outer =
            OuterOptimizer { clip_norm: Some(5.0), clip_value: Some(2.0), ..OuterOptimizer::adam(1e-2, 40) };
        algorithm
    };
    let mut whole = Maml::new(algorithm(1), &cpu).unwrap();
    whole.train(&sampler(4), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(whole.state().iteration, 40);

    let [one, other] = [1, 2].map(|seed| Maml::new(algorithm(seed), &cpu).unwrap());
    let tasks = sampler(4);
    let mut trainers = [one.trainer(&tasks).unwrap(), other.trainer(&tasks).unwrap()];
    trainers.iter_mut().for_each(|trainer| trainer.set_block_len(7));
    let mut ends = Vec::new();
    while let (Some(block), Some(_)) = (trainers[0].next(), trainers[1].next()) {
        ends.push(block.unwrap().end());
    }
    assert_eq!(ends, [7, 14, 21, 28, 35, 40]);
    assert_eq!(&trainers[0].state().unwrap(), whole.state());
    assert_ne!(&trainers[1].state().unwrap(), whole.state());

    let mut broken = Maml::new(Algorithm { ..algorithm(1) }, &cpu).unwrap();
    let mut trainer = broken.trainer(&tasks).unwrap();
    trainer.advance(13).unwrap();
    let state = trainer.state().unwrap();
    drop(trainer);
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("learner.safetensors");
    *broken.state_mut() = state;
    broken.save(&path).unwrap();
    let mut again = Maml::new(algorithm(3), &cpu).unwrap();
    again.load(&path).unwrap();
    assert_eq!(again.state(), broken.state());
    let mut blocks = 0;
    again
        .train(&tasks, &mut |_| {
            blocks += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!((blocks, again.state()), (1, whole.state()));

    let mut given = Maml::new(algorithm(1), &cpu).unwrap();
    for i in 0..40 {
        given.step(&tasks.batch(i)).unwrap();
    }
    close(&given.state().params, &whole.state().params, 1e-4, "given tasks");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let cpu = CpuBackend::new(Some(1));
    let mut maml = Maml::new(Algorithm::maml(mlp(), Loss::mse()), &cpu).unwrap();
    let before = maml.state().clone();
    let refused = |error: fastweights::Error, part: &str| {
        assert!(error.to_string().contains(part), "{error} does not speak of {part}");
    };
    refused(maml.step(&TaskBatch::zeros(2, 5, 5, 3, 1)).unwrap_err(), "inputs");
    let mut infinite = sampler(2).batch(0);
    infinite.query_y[0] = f32::INFINITY;
    refused(maml.step(&infinite).unwrap_err(), "not finite");
    assert_eq!(maml.state(), &before);
    let mut learner = maml.learner();
    refused(learner.adapt(&Points::new([1.0, 2.0], [1.0]), 1).unwrap_err(), "points");
    refused(learner.adapt(&Points::new([1.0], [f32::INFINITY]), 1).unwrap_err(), "not finite");
    refused(learner.predict(&[]).unwrap_err(), "points");
    assert_eq!((learner.steps(), learner.fast_weights()), (0, &before.params[..]));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("learner.safetensors");
    maml.save(&path).unwrap();
    let model = Model::mlp(1, &[8, 9], 1, false).unwrap();
    let mut other = Maml::new(Algorithm::maml(model, Loss::mse()), &cpu).unwrap();
    let before = other.state().clone();
    refused(other.load(&path).unwrap_err(), "2.weight");
    refused(other.load(&dir.path().join("nowhere")).unwrap_err(), "nowhere");
    assert_eq!(other.state(), &before);
    let decay = InnerOptimizer { weight_decay: -1.0, ..InnerOptimizer::default() };
    let wrong = Algorithm::maml(mlp(), Loss::mse()).with(|inner| inner.optimizer = decay);
    refused(Maml::new(wrong, &cpu).err().unwrap(), "inner.weight_decay");
    let rate = Algorithm::maml(mlp(), Loss::mse()).with(|inner| inner.lr = f64::NAN);
    refused(Maml::new(rate, &cpu).err().unwrap(), "finite");
}

/// Fourier features of the input, and of a hidden value: with matrices that nothing may move.
fn featured() -> Model {
    let ops = [Op::fourier(5, 0.3), Op::linear(4), Op::fourier(3, 0.2), Op::linear(1)];
    Model::sequential(Shape::Vector(1), &ops).unwrap()
}

fn what_is_fixed_stays(backend: &dyn Backend) {
    let base = Algorithm::maml(featured(), Loss::mse());
    let rates = |shape| base.clone().with(|inner| inner.learned_lr = Some(shape));
    let adam = InnerRule::Adam { betas: [0.8, 0.9], epsilon: 0.1 };
    let decaying = InnerOptimizer { weight_decay: 0.1, ..adam.into() };
    let every = Adapt::Matching(vec!["*".into()]);
    let sgd = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(0.1, 100) };
    for (name, algorithm) in [
        ("maml", base.clone().with(|inner| inner.steps = 2)),
        ("sgd", Algorithm { outer: sgd, ..base.clone() }),
        ("first order", Algorithm::first_order_maml(featured(), Loss::mse())),
        ("anil", Algorithm::anil(featured(), Loss::mse())),
        ("boil", Algorithm::boil(featured(), Loss::mse())),
        ("every name", base.clone().with(|inner| inner.adapt = every)),
        ("rates of layers", rates(RateShape::PerLayerStep)),
        ("rates of parameters", rates(RateShape::PerParameter)),
        ("rates of parameters and steps", rates(RateShape::PerParameterStep)),
        ("inner adam, weight decay", base.clone().with(|inner| inner.optimizer = decaying)),
        ("no inner step", base.clone().with(|inner| inner.steps = 0)),
        ("reptile", Algorithm::reptile(featured(), Loss::mse(), 2, 0.5)),
    ] {
        let start = algorithm.start().unwrap().params;
        let plan = algorithm.plan(5, 6).unwrap();
        let found = backend.meta_gradient(&plan, &start, &sampler(3).batch(1)).unwrap().gradient;
        let mut learner = Maml::new(algorithm, backend).unwrap();
        for i in 0..3 {
            learner.step(&sampler(3).batch(i)).unwrap();
        }
        let after = &learner.state().params;
        let mut fixed = 0;
        for param in plan.model.params() {
            let [start, after, gradient] = [&start, after, &found].map(|all| &all[param.range()]);
            if param.is_fixed() {
                fixed += 1;
                assert!(param.name.ends_with(".matrix") && start.iter().all(|&b| b != 0.0 && b.abs() < 2.0));
                assert!(gradient.iter().all(|&g| g == 0.0), "{name}: {} has a gradient", param.name);
                assert_eq!(start, after, "{name}: {} moved", param.name);
            } else {
                assert_ne!(start, after, "{name}: {} stays", param.name);
            }
        }
        assert_eq!(fixed, 2);
        // A rate that belongs to what is fixed has no effect, so that it is not learned either.
        if plan.per_parameter_rates() {
            let p = plan.model.param_count();
            for rates in (p..plan.meta_len()).step_by(p) {
                let range = plan.model.params()[0].range();
                assert!(
                    range.clone().all(|e| found[rates + e] == 0.0 && start[rates + e] == after[rates + e])
                );
            }
        }
    }
}

#[test]
fn what_is_fixed_stays_on_the_cpu() {
    what_is_fixed_stays(&CpuBackend::new(Some(2)));
}

#[test]
fn what_is_fixed_stays_on_the_gpu() {
    let Some(device) = adapter::device("what_is_fixed_stays_on_the_gpu") else { return };
    what_is_fixed_stays(&GpuBackend::new(device));
}

#[test]
fn what_is_fixed_goes_by_no_pattern_and_travels_in_files() {
    let algorithm = Algorithm::maml(featured(), Loss::mse());
    let matching =
        |pattern: &str| algorithm.clone().with(|inner| inner.adapt = Adapt::Matching(vec![pattern.into()]));
    let refused = matching("0.*").plan(5, 6).unwrap_err().to_string();
    assert!(refused.contains("`0.*` matches no parameter") && !refused.contains("0.matrix"), "{refused}");
    let mut plan = matching("*").plan(5, 6).unwrap();
    assert_eq!(plan.adapted, [false, true, true, false, true, true]);
    plan.adapted[0] = true;
    let refused = plan.check().unwrap_err().to_string();
    assert!(refused.contains("`0.matrix`, which is fixed"), "{refused}");
    let nothing = Model::sequential(Shape::Vector(1), &[Op::fourier(2, 1.0)]).unwrap_err().to_string();
    assert!(nothing.contains("nothing to learn"), "{nothing}");
    assert_eq!((featured().fixed_count(), featured().param_count()), (5 + 12, 5 + 44 + 12 + 7));

    let cpu = CpuBackend::new(Some(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.safetensors");
    Maml::new(algorithm.clone(), &cpu).unwrap().save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("0.matrix").unwrap().shape(), [5, 1]);
    let other = Algorithm { seed: 7, ..algorithm.clone() };
    let mut learner = Maml::new(other, &cpu).unwrap();
    assert_ne!(learner.state().params, algorithm.start().unwrap().params);
    learner.load(&path).unwrap();
    assert_eq!(learner.state().params, algorithm.start().unwrap().params);
}

#[test]
fn a_file_carries_a_note_and_learners_outlive_theirs() {
    let (cpu, dir) = (CpuBackend::new(Some(2)), tempfile::tempdir().unwrap());
    let path = dir.path().join("noted.safetensors");
    let tasks = sampler(3).batch(0);
    let mut maml = Maml::new(Algorithm::maml(mlp(), Loss::mse()), &cpu).unwrap();
    let before = maml.meta_gradient(&tasks).unwrap();
    assert_eq!(maml.state().iteration, 0);
    maml.save_with(&path, Some("what it is".to_owned())).unwrap();
    assert_eq!(fastweights::learner::note(&path).unwrap().as_deref(), Some("what it is"));
    let learners = maml.learners(&tasks, 2).unwrap();
    let again = maml.with_fast_weights(learners[1].fast_weights(), 2).unwrap();
    maml.step(&tasks).unwrap();
    maml.load(&path).unwrap();
    assert!(maml.meta_gradient(&tasks).unwrap() == before);
    maml.save(&path).unwrap();
    assert_eq!(fastweights::learner::note(&path).unwrap(), None);
    drop(maml);
    assert_eq!(again[0].predict(&[0.5]).unwrap(), learners[1].predict(&[0.5]).unwrap());
    assert_eq!(again[0].steps(), 2);
}

#[test]
fn numbers_that_are_not_finite_are_named_unless_their_point_does_not_count() {
    let mut tasks = sampler(3).batch(0);
    tasks.check_finite().unwrap();
    tasks.query_y[6 + 4] = f32::NAN;
    assert!(tasks.check_finite().unwrap_err().to_string().contains("query y of task 1, point 4: NaN"));
    for task in 0..3 {
        let weights: Vec<f32> = (0..11).map(|point| if point == 9 { 0.0 } else { 1.0 }).collect();
        tasks.put_weights(task, &weights);
    }
    tasks.check_finite().unwrap();
    tasks.support_x[2 * 5 + 1] = f32::INFINITY;
    assert!(tasks.check_finite().unwrap_err().to_string().contains("support x of task 2, point 1: inf"));
}
