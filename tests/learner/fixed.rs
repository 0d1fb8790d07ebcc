//! Values that nothing may move, files, and points that do not count.

use super::*;

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
