//! Inner optimizers, differentiated through: the float64 oracle against finite differences and formulas of its own, the
//! CPU and the GPU against the oracle.

mod adapter;

use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::gpu::GpuBackend;
use fastweights::backend::gpu::LayeredTuning;
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::losses::Truth;
use fastweights::meta::{
    Adapt, Backend, InnerOptimizer, InnerRule, Loss, MetaGradient, MetaOutput, Plan, RateShape, Rates,
};
use fastweights::model::{Model, Op, Shape};
use fastweights::task::{Philox, Purpose, TaskBatch};
use rand::RngExt as _;

const TOLERANCE: f64 = 2e-5;

/// A plan with its parameters and tasks, all seeded.
struct Seeded {
    name: String,
    plan: Plan,
    params: Vec<f32>,
    tasks: TaskBatch,
}

fn seeded(name: &str, model: Model, loss: Loss, steps: usize, change: impl FnOnce(&mut Plan)) -> Seeded {
    let mut rng = Philox::stream(23, Purpose::Data, 0, name.len() as u32);
    let (support, query, count) = (4, 5, 3);
    let mut plan = Plan::new(model, loss, support, query, steps, Rates::fixed(0.1)).unwrap();
    change(&mut plan);
    plan.rates.values = (0..plan.rate_count()).map(|_| 0.02 + 0.06 * rng.random::<f64>()).collect();
    plan.track_all = true;
    plan.check().unwrap();
    let mut uniform = |scale: f32| scale * (2.0 * rng.random::<f32>() - 1.0);
    let mut theta = vec![0.0; plan.model.param_count()];
    for block in plan.model.blocks() {
        let inputs = (block.bias - block.weight) / block.outputs;
        theta[block.range()].fill_with(|| uniform((3.0 / inputs as f32).sqrt()));
    }
    let once: usize = plan.model.blocks().iter().map(|block| block.len()).sum();
    theta[once..].fill_with(|| uniform(1.0));
    let mut tasks = TaskBatch::zeros(count, support, query, plan.model.inputs(), plan.targets());
    tasks.support_x.iter_mut().chain(&mut tasks.query_x).for_each(|x| *x = uniform(1.0));
    let outputs = plan.model.outputs() as f32;
    tasks.support_y.iter_mut().chain(&mut tasks.query_y).for_each(|y| {
        *y = match loss.truth() {
            Truth::Numbers => uniform(1.5),
            Truth::Shares => uniform(0.5) + 0.5,
            Truth::Class => ((uniform(0.5) + 0.5) * outputs).floor().min(outputs - 1.0),
        }
    });
    Seeded { name: name.to_owned(), params: plan.meta_params(&theta), plan, tasks }
}

fn mlp() -> Model {
    Model::mlp(2, &[7, 5], 3, false).unwrap()
}

fn conv() -> Model {
    let conv = Op::conv2d(5, 3, 2, 1);
    let norm = Op::batch_norm(1e-3, true);
    let layers = [conv, norm, Op::relu(), Op::flatten(), Op::linear(3)];
    Model::sequential(Shape::Image { channels: 2, height: 5, width: 4 }, &layers).unwrap()
}

/// Every rule. Adam's first step is nearly the sign of the gradient; with a larger ε float32 can be held to a tolerance.
fn rules() -> Vec<(&'static str, InnerOptimizer)> {
    let sgd = InnerOptimizer::default();
    vec![
        ("weight decay", InnerOptimizer { weight_decay: 0.3, ..sgd }),
        ("clip value", InnerOptimizer { clip_value: Some(0.1), ..sgd }),
        ("clip norm", InnerOptimizer { clip_norm: Some(0.3), ..sgd }),
        ("momentum", InnerRule::Momentum { momentum: 0.8 }.into()),
        ("nesterov", InnerRule::Nesterov { momentum: 0.8 }.into()),
        ("rmsprop", InnerRule::RmsProp { decay: 0.7, epsilon: 0.05 }.into()),
        ("adam", InnerRule::Adam { betas: [0.6, 0.8], epsilon: 0.05 }.into()),
        (
            "adam, all trimmings",
            InnerOptimizer {
                rule: InnerRule::Adam { betas: [0.6, 0.8], epsilon: 0.05 },
                weight_decay: 0.2,
                clip_value: Some(0.4),
                clip_norm: Some(0.5),
            },
        ),
    ]
}

fn cases() -> Vec<Seeded> {
    let mut all = Vec::new();
    for (name, inner) in rules() {
        all.push(seeded(&format!("{name}, mlp"), mlp(), Loss::mse(), 3, |p| p.inner = inner));
        all.push(seeded(&format!("{name}, conv"), conv(), Loss::cross_entropy(), 2, |p| p.inner = inner));
    }
    let (_, adam) = rules()[7];
    let learned = |shape| {
        move |p: &mut Plan| {
            p.inner = adam;
            p.rates = Rates { shape, learned: true, values: Vec::new(), range: None };
        }
    };
    all.push(seeded("one learned rate", mlp(), Loss::mse(), 3, learned(RateShape::One)));
    all.push(seeded(
        "a rate a layer and step",
        conv(),
        Loss::cross_entropy(),
        2,
        learned(RateShape::PerLayerStep),
    ));
    all.push(seeded("a rate a parameter", mlp(), Loss::mse(), 3, learned(RateShape::PerParameter)));
    all.push(seeded(
        "a rate a parameter and step",
        conv(),
        Loss::mse(),
        2,
        learned(RateShape::PerParameterStep),
    ));
    all.push(seeded("head alone", conv(), Loss::cross_entropy(), 3, |p| {
        p.inner = adam;
        *p = p.clone().adapt(&Adapt::Head).unwrap();
    }));
    all.push(seeded("body alone, many losses", conv(), Loss::cross_entropy(), 3, |p| {
        p.inner = adam;
        p.loss_weights = vec![0.1, 0.2, 0.0, 0.7];
        *p = p.clone().adapt(&Adapt::Body).unwrap();
    }));
    all.push(seeded("norms kept", conv(), Loss::cross_entropy(), 2, |p| {
        p.inner = adam;
        *p = p.clone().keep_batch_norm();
    }));
    for (name, inner) in [("norms a step", InnerOptimizer::default()), ("norms a step, adam", adam)] {
        let norm = Op::batch_norm(1e-3, true);
        let layers = [Op::linear(6), norm, Op::relu(), Op::linear(3), norm];
        for model in [conv(), Model::sequential(Shape::Vector(2), &layers).unwrap()] {
            all.push(seeded(name, model.with_norm_steps(3), Loss::cross_entropy(), 3, |p| {
                p.inner = inner;
                p.loss_weights = vec![0.1, 0.2, 0.0, 0.7];
                *p = p.clone().keep_batch_norm();
            }));
        }
    }
    all.push(seeded("norms a step, the last loss", conv().with_norm_steps(2), Loss::mse(), 2, |p| {
        *p = p.clone().keep_batch_norm();
    }));
    all.push(seeded("first order, learned", mlp(), Loss::mse(), 3, |p| {
        p.inner = adam;
        p.order = MetaGradient::FirstOrder;
        p.rates = Rates { shape: RateShape::PerLayerStep, learned: true, values: Vec::new(), range: None };
    }));
    all.push(seeded("reptile, mlp", mlp(), Loss::mse(), 4, |p| {
        p.inner = adam;
        p.order = MetaGradient::Displacement;
    }));
    all.push(seeded("reptile, gradient descent", conv(), Loss::cross_entropy(), 3, |p| {
        p.order = MetaGradient::Displacement;
        *p = p.clone().adapt(&Adapt::Head).unwrap();
    }));
    all
}

fn judged(case: &Seeded) -> MetaOutput<f64> {
    let params: Vec<f64> = case.params.iter().map(|&v| v.into()).collect();
    oracle::meta_gradient(&case.plan, &params, &case.tasks.map(f64::from)).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// Central differences of the meta-loss by parameters and rates.
#[test]
fn the_oracles_gradient_is_the_derivative_of_its_loss() {
    for case in cases().iter().filter(|case| case.plan.order == MetaGradient::SecondOrder) {
        let (params, tasks) = (wide(&case.params), case.tasks.map(f64::from));
        let loss = |params: &[f64]| oracle::meta_gradient(&case.plan, params, &tasks).unwrap().meta_loss;
        let gradient = judged(case).gradient;
        let scale = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let (h, p) = (1e-6, case.plan.model.param_count());
        for e in (0..p).step_by(3).chain((p..gradient.len()).step_by((gradient.len() - p) / 20 + 1)) {
            let at = |by: f64| {
                let mut params = params.clone();
                params[e] += by;
                loss(&params)
            };
            let difference = (at(h) - at(-h)) / (2.0 * h);
            let error = (difference - gradient[e]).abs();
            assert!(error <= 2e-6 * scale, "{}: element {e}: {difference} is not {}", case.name, gradient[e]);
        }
    }
}

/// Steps on one linear layer, worked out by hand in the form in which each rule's paper gives it.
#[test]
fn steps_are_those_of_the_papers() {
    for (name, inner) in rules() {
        let case = seeded(name, Model::mlp(3, &[], 1, false).unwrap(), Loss::mse(), 3, |p| p.inner = inner);
        let rate = case.plan.rates.values[0];
        let one = case.tasks.map(f64::from).slice(0..1);
        let mut theta = wide(&case.params);
        let (mut first, mut second) = (vec![0.0; 4], vec![0.0; 4]);
        for t in 1..=3 {
            let mut g = [0.0; 4];
            for (x, y) in one.support_x.chunks(3).zip(&one.support_y) {
                let error = theta[3] + x.iter().zip(&theta).map(|(x, w)| x * w).sum::<f64>() - y;
                for (g, x) in g.iter_mut().zip(x.iter().chain([&1.0])) {
                    *g += 2.0 * error * x / one.support as f64;
                }
            }
            if let Some(bound) = inner.clip_value {
                g.iter_mut().for_each(|g| *g = g.clamp(-bound, bound));
            }
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            if let Some(bound) = inner.clip_norm.filter(|&bound| norm > bound) {
                g.iter_mut().for_each(|g| *g *= bound / norm);
            }
            for e in 0..4 {
                let g = g[e] + inner.weight_decay * theta[e];
                theta[e] -= rate
                    * match inner.rule {
                        InnerRule::Sgd => g,
                        InnerRule::Momentum { momentum } => {
                            first[e] = momentum * first[e] + g;
                            first[e]
                        }
                        InnerRule::Nesterov { momentum } => {
                            first[e] = momentum * first[e] + g;
                            g + momentum * first[e]
                        }
                        InnerRule::RmsProp { decay, epsilon } => {
                            second[e] = decay * second[e] + (1.0 - decay) * g * g;
                            g / (second[e] + epsilon * epsilon).sqrt()
                        }
                        InnerRule::Adam { betas: [beta1, beta2], epsilon } => {
                            first[e] = beta1 * first[e] + (1.0 - beta1) * g;
                            second[e] = beta2 * second[e] + (1.0 - beta2) * g * g;
                            let unbiased = |moment: f64, beta: f64| moment / (1.0 - beta.powi(t));
                            unbiased(first[e], beta1)
                                / (unbiased(second[e], beta2) + epsilon * epsilon).sqrt()
                        }
                    };
            }
        }
        let error = relative_error(&judged(&case).fast[..4], &theta);
        assert!(error <= 1e-12, "{name}: {error:e}");
    }
}

/// Where the gradient is zero, so are the steps, and nothing is infinite.
#[test]
fn a_gradient_of_zero_has_a_finite_derivative() {
    for rule in [
        InnerRule::RmsProp { decay: 0.99, epsilon: 1e-8 },
        InnerRule::Adam { betas: [0.9, 0.999], epsilon: 1e-8 },
    ] {
        let mut case = seeded("zero", mlp(), Loss::mse(), 3, |p| p.inner = rule.into());
        case.params.fill(0.0);
        case.tasks.support_y.fill(0.0);
        let out = judged(&case);
        assert!(out.gradient.iter().all(|g| g.is_finite()) && out.fast.iter().all(|&w| w == 0.0));
        let backend = CpuBackend::new(Some(1));
        let fast = backend.meta_gradient(&case.plan, &case.params, &case.tasks).unwrap();
        assert!(fast.gradient.iter().all(|g| g.is_finite()));
    }
}

fn hold(backend: &dyn Backend, case: &Seeded, what: &str) {
    let (out, truth) = (backend.meta_gradient(&case.plan, &case.params, &case.tasks).unwrap(), judged(case));
    for (part, out, truth) in [
        ("gradient", &out.gradient, &truth.gradient),
        ("fast weights", &out.fast, &truth.fast),
        ("query loss", &out.query_loss, &truth.query_loss),
        ("support loss", &out.support_loss, &truth.support_loss),
        ("meta-loss", &vec![out.meta_loss], &vec![truth.meta_loss]),
    ] {
        let error = relative_error(&wide(out), truth);
        assert!(error <= TOLERANCE, "{what}, {}: {part}: {error:e}", case.name);
    }
    let evaluation = case.plan.for_evaluation(&case.params, 4, 5, case.plan.steps, None);
    let theta = &case.params[..case.plan.model.param_count()];
    let losses = backend.evaluate(&evaluation, theta, &case.tasks, false).unwrap().query_loss;
    let error = relative_error(&wide(&losses), &truth.query_loss);
    assert!(error <= TOLERANCE, "{what}, {}: evaluation: {error:e}", case.name);
}

#[test]
fn the_cpu_agrees_with_the_oracle() {
    for instructions in Instructions::available() {
        let backend = CpuBackend::new(Some(2)).with_instructions(instructions).unwrap();
        for case in cases() {
            hold(&backend, &case, instructions.name());
        }
    }
}

#[test]
fn the_gpu_agrees_with_the_oracle() {
    let Some(device) = adapter::device("inner optimizers") else { return };
    let backend = GpuBackend::new(device);
    for case in cases() {
        hold(&backend, &case, "gpu");
    }
    let tiled = LayeredTuning { tile: 2, ..LayeredTuning::default() };
    let Some(device) = adapter::device("inner optimizers") else { return };
    let cut = GpuBackend::new(device).with_layered_tuning(tiled);
    for case in cases().iter().step_by(5) {
        let [whole, cut] =
            [&backend, &cut].map(|b| b.meta_gradient(&case.plan, &case.params, &case.tasks).unwrap());
        assert!(whole == cut, "{}: tiles change bits", case.name);
    }
}
