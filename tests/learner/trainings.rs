//! Trainings that stop and go on, and what is refused.

use super::*;

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
