//! The fused pass away from the golden cases: odd sizes, every setting, cuts of the work, and proof that these tests
//! can fail.

use crate::adapter;
use fastweights::backend::gpu::Tuning;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::losses::Truth;
use fastweights::losses::cross_entropy::CrossEntropy;
use fastweights::meta::{Adapt, Backend as _, Loss, MetaGradient, MetaOutput, Plan, RateShape, Rates};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::elementwise::Function;
use fastweights::task::{Philox, Purpose, TaskBatch};
use fastweights::wgsl::Library;
use rand::RngExt as _;

const TOLERANCE: f64 = 2e-5;

fn draw(count: usize, stream: u32) -> Vec<f32> {
    let mut rng = Philox::stream(11, Purpose::Data, 0, stream);
    (0..count).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
}

fn tasks(plan: &Plan, count: usize) -> TaskBatch {
    let mut batch = TaskBatch::zeros(count, plan.support, plan.query, plan.model.inputs(), plan.targets());
    batch.support_x = draw(batch.support_x.len(), 0).into();
    batch.query_x = draw(batch.query_x.len(), 1).into();
    batch.support_y = draw(batch.support_y.len(), 2).into();
    batch.query_y = draw(batch.query_y.len(), 3).into();
    let classes = plan.model.outputs() as f32;
    for target in batch.support_y.iter_mut().chain(&mut batch.query_y) {
        *target = match plan.loss.truth() {
            Truth::Numbers => *target,
            Truth::Shares => (*target + 1.0) * 0.5,
            Truth::Class => ((*target + 1.0) * 0.5 * classes).floor().min(classes - 1.0),
        };
    }
    batch
}

fn params(plan: &Plan) -> Vec<f32> {
    plan.meta_params(&Init::Torch.draw(&plan.model, 5))
}

/// The settings of the family, at sizes that are no multiples of anything.
fn plans() -> Vec<(&'static str, Plan, usize)> {
    let mlp = |inputs, hidden: &[usize], outputs| Model::mlp(inputs, hidden, outputs, false).unwrap();
    let rate = Rates::fixed(0.05);
    let mut all = Vec::new();
    let mut add = |name, model, loss, [support, query, steps, tasks]: [usize; 4], rates: &Rates| {
        all.push((name, Plan::new(model, loss, support, query, steps, rates.clone()).unwrap(), tasks));
        all.len() - 1
    };
    add("everything is 1", mlp(1, &[], 1), Loss::mse(), [1, 1, 1, 1], &rate);
    add("odd", mlp(3, &[7, 5], 2), Loss::mse(), [5, 3, 2, 3], &rate);
    let head = add("head", mlp(2, &[6, 9], 3), Loss::cross_entropy(), [6, 7, 3, 2], &rate);
    let body = add("body", mlp(2, &[6, 9], 3), Loss::cross_entropy(), [6, 7, 3, 2], &rate);
    let middle = add("middle", mlp(2, &[6, 9, 4], 3), Loss::mse(), [6, 7, 3, 2], &rate);
    add("huber", mlp(2, &[6, 9], 3), Loss::huber(0.4), [6, 7, 3, 2], &rate);
    add("bce", mlp(2, &[6, 9], 3), Loss::bce_with_logits(), [6, 7, 3, 2], &rate);
    add(
        "smoothed labels",
        mlp(2, &[6, 9], 5),
        CrossEntropy { label_smoothing: 0.2 }.into(),
        [6, 7, 3, 2],
        &rate,
    );
    let nothing = add("nothing adapted", mlp(2, &[6], 3), Loss::mse(), [2, 3, 2, 2], &rate);
    let first = add("first order", mlp(2, &[13], 1), Loss::mse(), [9, 4, 4, 5], &rate);
    add("pretraining", mlp(4, &[11, 3], 5), Loss::cross_entropy(), [0, 10, 0, 4], &rate);
    let multi = add("multi-step loss", mlp(2, &[6, 9], 1), Loss::mse(), [4, 8, 3, 3], &rate);
    let learned = Rates { shape: RateShape::One, learned: true, values: vec![0.07], range: None };
    let one = add("one learned rate", mlp(2, &[6, 9], 1), Loss::mse(), [4, 5, 3, 3], &learned);
    let values = (1..=9).map(|v| 0.01 * f64::from(v)).collect();
    let learned = Rates { shape: RateShape::PerLayerStep, learned: true, values, range: None };
    let layers = add("rates by layer and step", mlp(2, &[6, 9], 1), Loss::mse(), [4, 5, 3, 3], &learned);
    let both = add("first order, learned rates", mlp(2, &[6, 9], 1), Loss::mse(), [4, 5, 3, 3], &learned);
    all[head].1 = all[head].1.clone().adapt(&Adapt::Head).unwrap();
    all[body].1 = all[body].1.clone().adapt(&Adapt::Body).unwrap();
    all[middle].1 = all[middle].1.clone().adapt_blocks(&[false, true, true, false]);
    all[nothing].1 = all[nothing].1.clone().adapt_blocks(&[false, false]);
    all[layers].1 = all[layers].1.clone().adapt_blocks(&[true, false, true]);
    for i in [first, both] {
        all[i].1.order = MetaGradient::FirstOrder;
    }
    for i in [multi, one] {
        all[i].1.loss_weights = vec![0.5, 0.0, -0.25, 1.0];
    }
    let relu = Model::mlp(3, &[8], 4, true).unwrap();
    all.push(("relu on the output", Plan::new(relu, Loss::cross_entropy(), 5, 6, 2, rate).unwrap(), 3));
    for (_, plan, _) in &mut all {
        plan.track_all = true;
    }
    all
}

/// Chains with functions beyond ReLU: each alone, several in one, at the end of the model, below what adapts, with learned rates.
fn curved() -> Vec<(&'static str, Plan, usize)> {
    let chain = |functions: [Function; 3]| {
        let [a, b, c] = functions.map(Op::from);
        let ops = [Op::linear(7), a, Op::linear(5), b, Op::linear(2), c];
        Model::sequential(Shape::Vector(3), &ops).unwrap()
    };
    let plan = |model, steps, rates| Plan {
        track_all: true,
        ..Plan::new(model, Loss::mse(), 5, 3, steps, rates).unwrap()
    };
    let rate = Rates::fixed(0.05);
    let functions = [
        Function::LeakyRelu { negative_slope: 0.2 },
        Function::Elu { alpha: 0.7 },
        Function::Tanh {},
        Function::Sigmoid {},
        Function::Silu {},
        Function::Gelu {},
        Function::GeluTanh {},
        Function::Softplus {},
        Function::Sine { omega: 3.3 },
    ];
    let mut all = Vec::new();
    for function in functions {
        let name = Function::NAMES[function.code() as usize];
        all.push((name, plan(chain([function; 3]), 2, rate.clone()), 3));
    }
    let mixed = || chain([Function::Tanh {}, Function::Relu {}, Function::Sine { omega: 2.0 }]);
    let last = chain([Function::Relu {}, Function::Silu {}, Function::Relu {}]);
    let learned = Rates { shape: RateShape::PerLayerStep, learned: true, values: vec![0.04; 9], range: None };
    all.push(("tanh, relu, sine", plan(mixed(), 3, rate.clone()), 2));
    all.push(("silu between relus", plan(last, 2, rate.clone()), 2));
    all.push(("functions, learned rates", plan(mixed(), 3, learned.clone()), 2));
    let mut first = plan(mixed(), 3, learned);
    first.order = MetaGradient::FirstOrder;
    all.push(("functions, first order", first, 2));
    let above = plan(mixed(), 3, rate.clone()).adapt_blocks(&[false, true, true]);
    all.push(("functions below what adapts", above, 2));
    let mut every = plan(mixed(), 2, rate).adapt_blocks(&[true, false, true]);
    every.loss_weights = vec![0.5, 0.0, 1.0];
    all.push(("functions, multi-step loss", every, 2));
    all
}

fn errors(out: &MetaOutput, reference: &MetaOutput<f64>) -> Vec<(&'static str, f64)> {
    let out = out.widen();
    vec![
        ("meta_loss", relative_error(&[out.meta_loss], &[reference.meta_loss])),
        ("gradient", relative_error(&out.gradient, &reference.gradient)),
        ("query_loss", relative_error(&out.query_loss, &reference.query_loss)),
        ("support_loss", relative_error(&out.support_loss, &reference.support_loss)),
        ("fast", relative_error(&out.fast, &reference.fast)),
    ]
}

fn check_all(gpu: &GpuBackend, plans: Vec<(&'static str, Plan, usize)>) {
    for (name, plan, count) in plans {
        let (params, batch) = (params(&plan), tasks(&plan, count));
        let wide: Vec<f64> = params.iter().map(|&v| f64::from(v)).collect();
        let reference = oracle::meta_gradient(&plan, &wide, &batch.map(f64::from)).unwrap();
        let out = gpu.meta_gradient(&plan, &params, &batch).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (what, error) in errors(&out, &reference) {
            assert!(error <= TOLERANCE, "{name}: {what}: {error:e}");
        }
    }
}

#[test]
fn every_setting_at_odd_sizes() {
    let Some(device) = adapter::device("every_setting_at_odd_sizes") else { return };
    check_all(&GpuBackend::new(device), plans());
}

#[test]
fn functions_behind_layers() {
    let Some(device) = adapter::device("functions_behind_layers") else { return };
    let gpu = GpuBackend::new(device).with_path(Path::Fused);
    check_all(&gpu, curved());
}

#[test]
fn factors_that_spill_out_of_workgroup_memory() {
    let Some(device) = adapter::device("factors_that_spill_out_of_workgroup_memory") else { return };
    let gpu = GpuBackend::new(device).with_path(Path::Fused);
    let tuning = gpu.tuning();
    let mut all = plans();
    all.extend(curved().into_iter().filter(|plan| plan.0.starts_with("functions")));
    check_all(&gpu.with_tuning(Tuning { fast: 64, groups: 2, ..tuning }), all);
}

#[test]
fn cuts_of_the_work_do_not_change_a_bit_and_runs_repeat() {
    let Some(device) = adapter::device("cuts_of_the_work_do_not_change_a_bit_and_runs_repeat") else {
        return;
    };
    let (_, plan, _) = plans().swap_remove(1);
    let (params, batch) = (params(&plan), tasks(&plan, 37));
    let mut gpu = GpuBackend::new(device);
    let tuning = gpu.tuning();
    for groups in [37, 8] {
        let mut results = Vec::new();
        for groups_per_dispatch in [u32::MAX, 5, 1, u32::MAX] {
            let cut = Tuning { groups_per_dispatch, groups, ..tuning };
            gpu = gpu.with_tuning(cut);
            results.push(gpu.meta_gradient(&plan, &params, &batch).unwrap());
        }
        let bits = |out: &MetaOutput| {
            let all = [&out.gradient, &out.query_loss, &out.fast];
            all.into_iter().flatten().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        for result in &results {
            assert!(bits(result) == bits(&results[0]), "{groups} groups");
        }
    }
}

#[test]
fn a_batch_is_the_mean_of_its_tasks() {
    let Some(device) = adapter::device("a_batch_is_the_mean_of_its_tasks") else { return };
    let gpu = GpuBackend::new(device);
    let (_, plan, _) = plans().swap_remove(1);
    let (params, batch) = (params(&plan), tasks(&plan, 5));
    let whole = gpu.meta_gradient(&plan, &params, &batch).unwrap().widen();
    let mut mean = vec![0.0; whole.gradient.len()];
    for task in 0..5 {
        let one = gpu.meta_gradient(&plan, &params, &batch.slice(task..task + 1)).unwrap().widen();
        mean.iter_mut().zip(&one.gradient).for_each(|(m, g)| *m += g / 5.0);
    }
    assert!(relative_error(&whole.gradient, &mean) <= 1e-6);
}

#[test]
fn a_wrong_kernel_is_caught() {
    let Some(device) = adapter::device("a_wrong_kernel_is_caught") else { return };
    let (_, plan, count) = plans().swap_remove(1);
    let (params, batch) = (params(&plan), tasks(&plan, count));
    let wide: Vec<f64> = params.iter().map(|&v| f64::from(v)).collect();
    let reference = oracle::meta_gradient(&plan, &wide, &batch.map(f64::from)).unwrap();
    let mut gpu = GpuBackend::new(device);
    // Loops a step short, a tile that nobody writes, a rate left out.
    for (file, right, wrong) in [
        ("fused_dense", "b < op.blocks; b++", "b + 1u < op.blocks; b++"),
        ("fused_loss", "tile = lane; tile < op.tiles;", "tile = lane; tile + 1u < op.tiles;"),
        ("fused_products", "coef *= params", "coef *= 1.0 + 0.0 * params"),
        ("reduce", "row < outer.groups;", "row + 1u < outer.groups;"),
    ] {
        let text = Library::default().text(file).unwrap().to_owned();
        assert!(text.contains(right), "{file}: {right}");
        gpu = gpu.with_shaders(Library::default().with(file, text.replace(right, wrong)));
        let out = gpu.meta_gradient(&plan, &params, &batch).unwrap();
        let caught = errors(&out, &reference).iter().any(|(_, error)| error.is_nan() || *error > TOLERANCE);
        assert!(caught, "{file}: `{wrong}` went unseen");
    }
}

#[test]
fn evaluation_follows_the_oracle_with_more_query_points_than_a_chunk() {
    let test = "evaluation_follows_the_oracle_with_more_query_points_than_a_chunk";
    let Some(device) = adapter::device(test) else { return };
    let gpu = GpuBackend::new(device);
    let (_, plan, _) = plans().swap_remove(1);
    let theta = params(&plan);
    let plan = plan.for_evaluation(&theta, 5, 75, 4, None);
    let batch = tasks(&plan, 3);
    let out = gpu.evaluate(&plan, &theta, &batch, true).unwrap();
    let wide: Vec<f64> = theta.iter().map(|&v| f64::from(v)).collect();
    let reference = oracle::meta_gradient(&plan, &wide, &batch.map(f64::from)).unwrap();
    let losses: Vec<f64> = out.query_loss.iter().map(|&v| f64::from(v)).collect();
    assert!(relative_error(&losses, &reference.query_loss) <= TOLERANCE);
    // The mean squared miss of the predictions is the loss.
    let predictions = out.predictions.unwrap();
    let per_task = 75 * 2;
    assert_eq!(predictions.len(), 5 * 3 * per_task);
    for step in 0..5 {
        for task in 0..3 {
            let y = &predictions[(step * 3 + task) * per_task..][..per_task];
            let truth = &batch.query_y[task * per_task..][..per_task];
            let loss: f64 = y.iter().zip(truth).map(|(y, t)| f64::from((y - t) * (y - t))).sum();
            let reported = losses[task * 5 + step];
            assert!((loss / per_task as f64 - reported).abs() <= 1e-5 * reported, "step {step}, task {task}");
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let Some(device) = adapter::device("shapes_that_do_not_fit_are_errors") else { return };
    let gpu = GpuBackend::new(device);
    let (_, plan, _) = plans().swap_remove(1);
    let (all, batch) = (params(&plan), tasks(&plan, 2));
    assert!(gpu.meta_gradient(&plan, &all[1..], &batch).unwrap_err().to_string().contains("meta-parameters"));
    let (_, other, _) = plans().swap_remove(2);
    assert!(gpu.meta_gradient(&other, &params(&other), &batch).unwrap_err().to_string().contains("tasks"));
}
