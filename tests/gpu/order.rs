//! No result depends on the order in which the invocations of a dispatch run.
//!
//! A software adapter runs the vectors of a workgroup one after the other, from the first to the last, between two
//! barriers, and so hides half of the barriers that are missing: a lane sees what lanes before it wrote. Here every
//! kernel is compiled again with its lanes and workgroups the other way round and, since lanes of one vector move
//! together, with neighbours far apart; workgroup memory is full of NaN to begin with. Each lane does the same
//! arithmetic, so every bit has to be the same; a race would show.

use crate::adapter;
use fastweights::backend::gpu::Tuning;
use fastweights::backend::gpu::kernels::ALL;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::data::{Split, glyphs};
use fastweights::meta::{
    Adapt, Backend as _, InnerOptimizer, InnerRule, Loss, MetaGradient, OuterOptimizer, Plan, RateShape,
    Rates, TrainPlan, TrainState,
};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::ops::conv2d::Conv2d;
use fastweights::task::{ImageTasks, Sampler, SeriesTable, Sinusoid, TaskSource, Visit};
use fastweights::wgsl::Library;
use std::sync::Arc;

const SIGNATURE: &str =
    "fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {\n";

/// Where lane `l` of a workgroup of N stands instead.
const ORDERS: [(&str, &str); 2] = [
    ("backwards", "WORKGROUP - 1u - l"),
    // WORKGROUP is a power of two, so that this is a permutation too.
    ("far apart", "(WORKGROUP - 1u - l) * 13u % WORKGROUP"),
];

/// Every kernel with another order of lanes, workgroups last to first, and workgroup memory that nobody wrote.
fn reordered(lane: &str) -> Library {
    let mut library = Library::default();
    for declaration in ALL {
        let name = declaration.shader;
        let text = library.text(name).unwrap();
        // Not part of a pass, and its lanes have no neighbours.
        if name == "probe_loop" {
            continue;
        }
        assert!(text.contains(SIGNATURE), "{name}: another signature");
        let poison: String = workgroup_arrays(&library.resolve(name).unwrap());
        let main = format!(
            "fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>, \
             @builtin(local_invocation_index) l: u32) {{\n    \
             let workgroup = n - vec3<u32>(1u) - w;\n    let lane = {lane};\n{poison}    workgroupBarrier();\n"
        );
        let text = text.replace(SIGNATURE, &main);
        library = library.with(name, text);
    }
    library
}

/// Statements that fill every array in workgroup memory with what shows.
fn workgroup_arrays(text: &str) -> String {
    let mut fill = String::new();
    for line in text.lines().filter(|line| line.starts_with("var<workgroup>") && line.contains("array<")) {
        let (name, of) = line["var<workgroup> ".len()..].split_once(": array<").unwrap();
        let (element, count) = of.trim_end_matches(">;").rsplit_once(", ").unwrap();
        let bits = "0x7fc00000u";
        let value = match element {
            "f32" => format!("bitcast<f32>({bits})"),
            "vec4<f32>" => format!("vec4<f32>(bitcast<f32>({bits}))"),
            "u32" => bits.to_owned(),
            "vec4<i32>" => "vec4<i32>(0x7fc00000)".to_owned(),
            other => panic!("{name}: what would show in {other}?"),
        };
        fill += &format!(
            "    for (var at = l; at < {count}; at += WORKGROUP) {{\n        {name}[at] = {value};\n    }}\n"
        );
    }
    fill
}

/// Three meta-iterations, to the bit: losses, then parameters; or that they are not finite.
fn bits(gpu: &GpuBackend, plan: &TrainPlan) -> Result<Vec<u32>, String> {
    let start = TrainState::start(plan.plan.meta_params(&Init::Torch.draw(&plan.plan.model, 1)));
    let mut training = gpu.training(plan, start).unwrap();
    let losses = training.advance(3).map_err(|e| e.to_string())?;
    let mut all: Vec<f32> = losses.iter().flat_map(|l| [l.query, l.support]).collect();
    all.extend(&training.state().unwrap().params);
    Ok(all.into_iter().map(f32::to_bits).collect())
}

fn check(gpu: GpuBackend, plans: &[(&str, TrainPlan)]) {
    let right: Vec<_> = plans.iter().map(|(_, plan)| bits(&gpu, plan)).collect();
    assert!(right.iter().all(Result::is_ok), "{right:?}");
    let mut gpu = gpu;
    for (order, lane) in ORDERS {
        gpu = gpu.with_shaders(reordered(lane));
        for ((name, plan), right) in plans.iter().zip(&right) {
            assert!(bits(&gpu, plan) == *right, "{name}, {order}");
        }
    }
}

fn plan(source: TaskSource, points: [usize; 2], model: Model, loss: Loss, rates: Rates) -> TrainPlan {
    let [support, query] = points;
    let sampler = Sampler { source, seed: 7, meta_batch: 5, support, query, visit: Visit::Split };
    let mut plan = Plan::new(model, loss, support, query, 2, Rates::fixed(0.02)).unwrap();
    plan.rates = rates;
    plan.rates.values = vec![0.02; plan.rate_count()];
    plan.loss_weights = vec![0.0, 0.25, 0.75];
    plan.check().unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-3, 8) }
}

fn learned(shape: RateShape) -> Rates {
    Rates { shape, learned: true, values: Vec::new(), range: None }
}

fn perceptrons() -> Vec<(&'static str, TrainPlan)> {
    let mlp = |inputs| Model::mlp(inputs, &[19, 17], 1, false).unwrap();
    let sine = TaskSource::Sinusoid { family: Sinusoid::default(), pool: Some(9) };
    let series = TaskSource::Series(
        SeriesTable::ragged(SeriesTable::generate(3, 1, 120, 6).values().to_vec(), &[30, 17, 40, 33], 6)
            .unwrap()
            .standardised(0.0),
    );
    let layers = learned(RateShape::PerLayerStep);
    let mut clipped = plan(series, [5, 6], mlp(6), Loss::mse(), Rates::fixed(0.02));
    clipped.outer.clip_norm = Some(0.5);
    vec![("sinusoids", plan(sine, [5, 5], mlp(1), Loss::mse(), layers)), ("series, clipped", clipped)]
}

fn images() -> Vec<(&'static str, TrainPlan)> {
    // Of a size that makes workgroups share the sums of the first layer.
    let set = Arc::new(glyphs::generate(5, 60, 6, 16));
    let conv = |outputs, stride| Op::conv2d(outputs, 3, stride, 1);
    let norm = Op::batch_norm(1e-3, true);
    let mut layers = vec![conv(18, 2), norm, Op::relu(), conv(5, 1), Op::relu()];
    layers.extend([Op::max_pool2d(2, 2), Op::global_avg_pool2d()]);
    layers.push(Op::linear(3));
    let image = Shape::Image { channels: 1, height: 16, width: 16 };
    let plan_of = |layers: &[Op], rates| {
        let source = TaskSource::Images(ImageTasks::new(Arc::clone(&set), Split::Train, 3, true).unwrap());
        let model = Model::sequential(image, layers).unwrap();
        plan(source, [6, 9], model, Loss::cross_entropy(), rates)
    };
    let plan = |rates| plan_of(&layers, rates);
    let mut adam = plan(learned(RateShape::PerParameter));
    let rule = InnerRule::Adam { betas: [0.6, 0.8], epsilon: 0.5 };
    adam.plan.inner = InnerOptimizer { clip_norm: Some(0.3), ..rule.into() };
    let mut first = plan(learned(RateShape::PerLayerStep));
    first.plan.order = MetaGradient::FirstOrder;
    let mut reptile = plan(Rates::fixed(0.02));
    reptile.plan.order = MetaGradient::Displacement;
    let mut head = plan(Rates::fixed(0.02));
    head.plan = head.plan.adapt(&Adapt::Head).unwrap();
    let depthwise = |outputs, dilation| {
        let (kernel, padding) = ([3; 2], [dilation; 2]);
        Op::from(Conv2d { outputs, kernel, stride: 2, padding, dilation, groups: 4, bias: true })
    };
    let mut groups = vec![conv(4, 2), Op::relu(), depthwise(8, 1), norm, Op::relu(), depthwise(4, 2)];
    groups.extend([Op::global_avg_pool2d(), Op::linear(3)]);
    vec![
        ("images, groups", plan_of(&groups, learned(RateShape::PerLayerStep))),
        ("images", plan(learned(RateShape::PerParameterStep))),
        ("images, rates by layer", plan(learned(RateShape::PerLayerStep))),
        ("images, inner Adam", adam),
        ("images, first order", first),
        ("images, Reptile", reptile),
        ("images, head", head),
    ]
}

#[test]
fn of_the_fused_path() {
    let Some(device) = adapter::device("of_the_fused_path") else { return };
    let gpu = GpuBackend::new(device).with_path(Path::Fused);
    let tuning = gpu.tuning();
    // Three groups for five tasks, so that a workgroup's second task overwrites the memory of its first.
    check(gpu.with_tuning(Tuning { workgroup: 64, groups: 3, ..tuning }), &perceptrons());
}

#[test]
fn of_the_fused_path_beyond_workgroup_memory() {
    let Some(device) = adapter::device("of_the_fused_path_beyond_workgroup_memory") else { return };
    let gpu = GpuBackend::new(device).with_path(Path::Fused);
    let tuning = gpu.tuning();
    check(gpu.with_tuning(Tuning { workgroup: 64, groups: 3, fast: 64, ..tuning }), &perceptrons()[..1]);
}

#[test]
fn of_the_layered_path() {
    let Some(device) = adapter::device("of_the_layered_path") else { return };
    check(GpuBackend::new(device).with_path(Path::Layered), &[perceptrons(), images()].concat());
}

/// The tests above would notice: each of these has a barrier too few.
#[test]
fn a_missing_barrier_shows() {
    let Some(device) = adapter::device("a_missing_barrier_shows") else { return };
    let (fused, images) = (perceptrons().swap_remove(0).1, images().swap_remove(0).1);
    let mut gpu = GpuBackend::new(device);
    let tuning = gpu.tuning();
    gpu = gpu.with_tuning(Tuning { workgroup: 64, groups: 3, ..tuning });
    for (file, what, plan) in [
        ("fused_memory", "    workgroupBarrier();\n", &fused),
        ("reduce", "        workgroupBarrier();\n        if (lane < width", &fused),
        ("conv_product", "        workgroupBarrier();\n", &images),
        ("norm", "    workgroupBarrier();\n", &images),
    ] {
        let lacking = |library: Library| {
            let text = library.text(file).unwrap();
            assert!(text.contains(what), "{file}");
            let without = what.replace("workgroupBarrier();", "");
            let text = text.replacen(what, &without, 1);
            library.with(file, text)
        };
        let mut results = vec![bits(&gpu, plan)];
        for library in [Library::default()].into_iter().chain(ORDERS.map(|(_, lane)| reordered(lane))) {
            gpu = gpu.with_shaders(lacking(library));
            results.push(bits(&gpu, plan));
        }
        gpu = gpu.with_shaders(Library::default());
        assert!(results.iter().any(|r| *r != results[0]), "{file} without `{what}` went unseen");
    }
}
