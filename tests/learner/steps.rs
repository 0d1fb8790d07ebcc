//! What each algorithm does in a step, and one task against many.

use super::*;

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
