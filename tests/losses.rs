//! Losses: formulas of their papers, derivatives against finite differences, both CPU engines and both GPU paths against the
//! oracle, and what is refused.

#[cfg(feature = "gpu")]
mod adapter;
mod common;

use common::random_tasks;
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::oracle::{self, Dual};
use fastweights::case::relative_error;
use fastweights::losses::Loss;
use fastweights::losses::cross_entropy::CrossEntropy;
use fastweights::meta::{Backend, Plan, Rates};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::elementwise::Function;
use fastweights::ops::layer_norm::LayerNorm;
use fastweights::ops::linear::Linear;
use fastweights::task::{PointWeights, TaskBatch};

fn smoothed(label_smoothing: f64) -> Loss {
    CrossEntropy { label_smoothing }.into()
}

fn losses() -> [Loss; 6] {
    [
        Loss::mse(),
        Loss::huber(0.4),
        Loss::huber(3.0),
        Loss::bce_with_logits(),
        Loss::cross_entropy(),
        smoothed(0.2),
    ]
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}

#[test]
fn losses_are_their_formulas() {
    close(Loss::mse().value(&[1.0, 3.0], &[0.0, 1.0]), 2.5, 1e-15, "mse");
    // One error within delta, one beyond, one exactly at it.
    let huber = Loss::huber(0.5);
    close(
        huber.value(&[0.25, -2.0, 1.5], &[0.0, 0.0, 1.0]),
        (0.031_25 + 0.875 + 0.125) / 3.0,
        1e-15,
        "huber",
    );
    assert_eq!(huber.cotangent(&[0.25, -2.0, 1.5], &[0.0, 0.0, 1.0]), [0.25 / 3.0, -0.5 / 3.0, 0.5 / 3.0]);
    let bce = Loss::bce_with_logits();
    let log_loss = |y: f64, t: f64| {
        let p = 1.0 / (1.0 + (-y).exp());
        -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
    };
    for (y, t) in [(0.3, 1.0), (-1.2, 0.0), (2.0, 0.25)] {
        close(bce.value(&[y], &[t]), log_loss(y, t), 1e-14, "bce");
    }
    // Far out it neither overflows nor loses what is left.
    assert_eq!(bce.value(&[100.0, -100.0], &[0.0, 1.0]), 100.0);
    close(bce.value(&[100.0], &[1.0]) / (-100.0_f64).exp(), 1.0, 1e-12, "bce, sure and right");
    close(bce.cotangent(&[-100.0], &[0.0])[0] / (-100.0_f64).exp(), 1.0, 1e-12, "its slope");
    // (1 − s) of −log p at the class, and s of its mean over all.
    let logits = [0.2_f64, -1.0, 2.5, 0.7];
    let log_sum = logits.iter().map(|y| y.exp()).sum::<f64>().ln();
    let even = logits.iter().map(|y| log_sum - y).sum::<f64>() / 4.0;
    for s in [0.0, 0.1, 0.9] {
        let expected = (1.0 - s) * (log_sum - 2.5) + s * even;
        close(smoothed(s).value(&logits, &[2.0]), expected, 1e-14, "cross-entropy");
        let slope: f64 = smoothed(s).cotangent(&logits, &[2.0]).iter().sum();
        close(slope, 0.0, 1e-15, "slopes add up to nothing");
    }
    close(Loss::cross_entropy().value(&[100.0, -100.0, 0.0], &[1.0]), 200.0, 1e-12, "sure and wrong");
}

/// Layers whose functions are smooth, or a chain of linear ones and ReLUs, which has engines of its own.
fn model(smooth: bool, outputs: usize) -> Model {
    if !smooth {
        return Model::mlp(3, &[7], outputs, false).unwrap();
    }
    let ops: [Op; 4] = [
        Linear::to(6).into(),
        Function::Tanh {}.into(),
        LayerNorm::default().into(),
        Linear::to(outputs).into(),
    ];
    Model::sequential(Shape::Vector(3), &ops).unwrap()
}

fn plan(loss: Loss, smooth: bool, outputs: usize) -> Plan {
    let mut plan = Plan::new(model(smooth, outputs), loss, 5, 7, 2, Rates::fixed(0.05)).unwrap();
    plan.track_all = true;
    plan
}

/// Parameters, times `size`: large ones make models that are sure of what they say.
fn params(plan: &Plan, size: f32) -> Vec<f32> {
    Init::Torch.draw(&plan.model, 3).iter().map(|p| p * size).collect()
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

fn weighted(plan: &Plan, seed: u64) -> TaskBatch {
    let mut tasks = random_tasks(plan, 3, seed);
    let weight = |e: usize| [1.0, 0.5, 0.0, 3.0, 1.0, 1.5][e % 6];
    let weights = |points: usize, first: usize| (0..3 * points).map(|e| weight(e + first)).collect();
    tasks.weights = Some(PointWeights { support: weights(plan.support, 0), query: weights(plan.query, 1) });
    tasks
}

/// Gradients, `H u` and meta-gradients of the oracle against central differences.
#[test]
fn derivatives_agree_with_finite_differences() {
    for (n, loss) in losses().into_iter().enumerate() {
        for size in [1.0, 4.0] {
            let plan = plan(loss, true, 3);
            let theta = widen(&params(&plan, size));
            let tasks = weighted(&plan, n as u64).map(f64::from);
            let one = tasks.slice(0..1);
            let at = |theta: &[f64]| oracle::gradient(&plan, 0, theta, oracle::Points::support(&one));
            let u: Vec<f64> = (0..theta.len()).map(|i| (1.3 * (i + 1) as f64).sin()).collect();
            let step = |h: f64| theta.iter().zip(&u).map(|(t, u)| t + h * u).collect::<Vec<_>>();
            let dual: Vec<_> =
                theta.iter().zip(&u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
            let pass = oracle::gradient(&plan, 0, &dual, oracle::Points::support(&one));
            let h = 1e-6;
            let (above, below) = (at(&step(h)), at(&step(-h)));
            let slope = (above.loss - below.loss) / (2.0 * h);
            let expected = pass.loss.tangent;
            close(slope, expected, 1e-8 * expected.abs().max(1.0), &format!("{loss}: its gradient"));
            let bend: Vec<f64> =
                above.gradient.iter().zip(&below.gradient).map(|(a, b)| (a - b) / (2.0 * h)).collect();
            let found: Vec<f64> = pass.gradient.iter().map(|g| g.tangent).collect();
            let error = relative_error(&found, &bend);
            assert!(error <= 1e-7, "{loss}, parameters × {size}: H u: {error:e}");
            let meta = |theta: &[f64]| oracle::meta_gradient(&plan, theta, &tasks).unwrap();
            let slope = (meta(&step(h)).meta_loss - meta(&step(-h)).meta_loss) / (2.0 * h);
            let found: f64 = meta(&theta).gradient.iter().zip(&u).map(|(g, u)| g * u).sum();
            close(found, slope, 1e-7 * slope.abs().max(1.0), &format!("{loss}: the meta-gradient"));
        }
    }
}

/// All parts of a meta-gradient against the oracle.
fn check(device: &dyn Backend, what: &str, plan: &Plan, params: &[f32], tasks: &TaskBatch) {
    let expected = oracle::meta_gradient(plan, &widen(params), &tasks.map(f64::from)).unwrap();
    let found = device.meta_gradient(plan, params, tasks).unwrap().widen();
    for (name, found, expected) in [
        ("gradient", &found.gradient, &expected.gradient),
        ("query losses", &found.query_loss, &expected.query_loss),
        ("support losses", &found.support_loss, &expected.support_loss),
        ("fast weights", &found.fast, &expected.fast),
    ] {
        let error = relative_error(found, expected);
        assert!(error <= 2e-5, "{what}, {}: {name}: {error:e}", device.name());
    }
}

fn check_all(device: &dyn Backend, smooth: bool, outputs: &[usize]) {
    for (n, loss) in losses().into_iter().enumerate() {
        for &outputs in outputs {
            let plan = plan(loss, smooth, outputs);
            for size in [1.0, 6.0] {
                let what = format!("{loss} of {outputs} outputs, parameters × {size}");
                let params = params(&plan, size);
                check(device, &what, &plan, &params, &random_tasks(&plan, 3, n as u64));
            }
        }
    }
}

#[test]
fn both_cpu_engines_agree_with_the_oracle() {
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(1)).with_instructions(instructions).unwrap();
        for smooth in [false, true] {
            check_all(&cpu, smooth, &[1, 4, 21]);
        }
        for (n, loss) in losses().into_iter().enumerate() {
            let plan = plan(loss, true, 4);
            check(&cpu, &format!("{loss}, weighted"), &plan, &params(&plan, 1.0), &weighted(&plan, n as u64));
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn both_gpu_paths_agree_with_the_oracle() {
    use fastweights::backend::gpu::{GpuBackend, Path};
    let device = || adapter::device("both_gpu_paths_agree_with_the_oracle");
    let (Some(first), Some(second)) = (device(), device()) else { return };
    let fused = GpuBackend::new(first).with_path(Path::Fused);
    check_all(&fused, false, &[3]);
    let layered = GpuBackend::new(second).with_path(Path::Layered);
    check_all(&layered, true, &[3]);
    for (n, loss) in losses().into_iter().enumerate() {
        let plan = plan(loss, true, 4);
        check(&layered, &format!("{loss}, weighted"), &plan, &params(&plan, 1.0), &weighted(&plan, n as u64));
    }
}

#[test]
fn settings_and_targets_that_mean_nothing_are_refused_by_name() {
    let refused = |loss: Loss| {
        let model = Model::mlp(3, &[4], 2, false).unwrap();
        Plan::new(model, loss, 2, 2, 1, Rates::fixed(0.1)).unwrap_err().to_string()
    };
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-60] {
        let said = refused(Loss::huber(delta));
        assert!(said.contains("model.loss.delta") && said.contains("above 0"), "{said}");
    }
    for s in [1.0, -0.1, f64::NAN, 1.5, 0.999_999_999_999] {
        let said = refused(smoothed(s));
        assert!(said.contains("model.loss.label_smoothing") && said.contains("below 1"), "{said}");
    }
    let cpu = CpuBackend::new(Some(1));
    let said = |loss: Loss, target: f32| {
        let plan = plan(loss, false, 2);
        let mut tasks = random_tasks(&plan, 2, 1);
        tasks.query_y[3] = target;
        cpu.meta_gradient(&plan, &params(&plan, 1.0), &tasks).unwrap_err().to_string()
    };
    let bce = said(Loss::bce_with_logits(), 1.5);
    assert!(bce.contains("1.5") && bce.contains("0 to 1") && bce.contains("bce_with_logits"), "{bce}");
    assert!(said(Loss::bce_with_logits(), f32::NAN).contains("bce_with_logits"));
    let classes = said(Loss::cross_entropy(), 0.5);
    assert!(classes.contains("class label 0.5") && classes.contains("cross_entropy"), "{classes}");
}

#[test]
fn a_loss_is_read_by_its_name_or_as_a_table() {
    let read = |text: &str| serde_json::from_str::<Loss>(text);
    for (text, loss) in [
        (r#""mse""#, Loss::mse()),
        (r#"{"type": "mse"}"#, Loss::mse()),
        (r#""huber""#, Loss::huber(1.0)),
        (r#"{"type": "huber", "delta": 0.5}"#, Loss::huber(0.5)),
        (r#""bce_with_logits""#, Loss::bce_with_logits()),
        (r#""cross_entropy""#, Loss::cross_entropy()),
        (r#"{"type": "cross_entropy", "label_smoothing": 0.1}"#, smoothed(0.1)),
    ] {
        assert_eq!(read(text).unwrap(), loss);
        assert_eq!(read(&serde_json::to_string(&loss).unwrap()).unwrap(), loss);
    }
    let text = |loss: Loss| serde_json::to_string(&loss).unwrap();
    assert_eq!(text(Loss::cross_entropy()), r#""cross_entropy""#);
    assert_eq!(text(Loss::mse()), r#""mse""#);
    assert!(text(Loss::huber(1.0)).contains("delta"), "a setting that acts is spelled out");
    for (text, says) in [
        (r#""hinge""#, "unknown variant `hinge`"),
        (r#"{"type": "huber", "detla": 1.0}"#, "unknown field `detla`"),
        (r#"{"type": "mse", "delta": 1.0}"#, "unknown field `delta`"),
        (r#"{"type": "cross_entropy", "delta": 1.0}"#, "unknown field `delta`"),
        (r#"{"delta": 1.0}"#, "missing field `type`"),
        ("3", "a loss's name"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
