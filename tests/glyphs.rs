//! Few-shot classification from drawn characters to accuracy: it is learned, and alike on every device.
#![allow(clippy::print_stdout, reason = "a test may say what it saw")]

mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::meta::{Backend, Losses, Trainer};
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::{Models, Report, judge};

/// Small enough for a program that plays a GPU on two cores.
const SETTINGS: &[&str] = &[
    r#"model.layers=[
        { type = "conv2d", outputs = 12, kernel = 3, stride = 2, padding = 1 }, { type = "batch_norm" }, { type = "relu" },
        { type = "conv2d", outputs = 12, kernel = 3, stride = 2, padding = 1 }, { type = "batch_norm" }, { type = "relu" },
        { type = "conv2d", outputs = 12, kernel = 3, stride = 2, padding = 1 }, { type = "batch_norm" }, { type = "relu" },
        { type = "global_avg_pool2d" },
    ]"#,
    "task.side=14",
    "outer.meta_batch=8",
    "evaluation.tasks=200",
];

fn recipe(iterations: usize, meta_lr: f64) -> Recipe {
    let more = [format!("outer.iterations={iterations}"), format!("outer.meta_lr={meta_lr}")];
    let settings = SETTINGS.iter().copied().chain(more.iter().map(String::as_str));
    let settings: Vec<_> = settings.map(|s| parse_setting(s).unwrap()).collect();
    let mut recipe = Recipe::load("glyphs-5way-1shot", &settings).unwrap();
    recipe.load_data(None).unwrap();
    recipe
}

fn train(recipe: &Recipe, device: &dyn Backend) -> (Vec<Losses>, Vec<f32>) {
    let mut trainer = Trainer::new(device, &recipe.train_plan().unwrap(), recipe.start().unwrap()).unwrap();
    let losses = trainer.advance(recipe.outer.iterations).unwrap().losses;
    (losses, trainer.state().unwrap().params)
}

fn report(recipe: &Recipe, params: Vec<f32>, device: &dyn Backend) -> Report {
    let models = Models { maml: params, control: None, iterations: recipe.outer.iterations };
    judge(recipe, &recipe.evaluation, &models, device, None).unwrap().report
}

#[test]
fn adaptation_beats_chance_and_the_unadapted_model_by_far() {
    let (recipe, cpu) = (recipe(200, 1e-2), CpuBackend::new(None));
    let (_, params) = train(&recipe, &cpu);
    let report = report(&recipe, params, &cpu);
    let accuracy = &report.learners.maml;
    println!("accuracy {:?} ± {:?}", accuracy.mean, accuracy.ci95);
    assert_eq!(report.metric, "accuracy");
    assert!(
        (accuracy.mean[0] - 0.2).abs() < 0.05,
        "labels are shuffled, so nothing is known before adapting"
    );
    assert!(accuracy.mean[3] > 0.6, "three times chance");
    let untrained = self::report(&recipe, recipe.start().unwrap().params, &cpu).learners.maml;
    println!("untrained {:?}", untrained.mean);
    assert!(accuracy.mean[3] > untrained.mean[3] + 0.1, "meta-training is what makes the difference");
}

/// The same curve while it can be: Adam turns rounding into steps (a bias ahead of a batch norm has no gradient but
/// rounding), and ReLU turns steps into other gradients, so that two devices part at last, the sooner the larger the rate.
#[test]
fn the_gpu_learns_the_same() {
    let Some(device) = adapter::device("the_gpu_learns_the_same") else { return };
    let (recipe, gpu, cpu) = (recipe(12, 1e-3), GpuBackend::new(device), CpuBackend::new(None));
    let ((losses, params), (expected, _)) = (train(&recipe, &gpu), train(&recipe, &cpu));
    for (i, (a, b)) in losses.iter().zip(&expected).enumerate() {
        let error = ((a.query - b.query).abs() / b.query).max((a.support - b.support).abs() / b.support);
        println!("meta-iteration {i}: {error:e}");
        assert!(error <= 1e-3, "meta-iteration {i}: {a:?} against {b:?}");
    }
    let judged = |backend: &dyn Backend| report(&recipe, params.clone(), backend).learners.maml.mean;
    let (on_gpu, on_cpu) = (judged(&gpu), judged(&cpu));
    println!("{on_gpu:?} against {on_cpu:?}");
    for (a, b) in on_gpu.iter().zip(&on_cpu) {
        assert!((a - b).abs() <= 2e-3, "{on_gpu:?} against {on_cpu:?}");
    }
    let untrained = report(&recipe, recipe.start().unwrap().params, &gpu).learners.maml.mean;
    assert!(on_gpu[3] > untrained[0] + 0.15, "adapting beats chance: {on_gpu:?} against {untrained:?}");
}
