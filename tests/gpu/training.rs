//! The resident loop: the same tasks as on the host, the outer optimizer, resuming.

use crate::adapter;
use fastweights::backend::gpu::LayeredTuning;
use fastweights::backend::gpu::device::kernel::Kernel;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::data::{Split, glyphs};
use fastweights::meta::{
    Backend as _, Loss, OuterKind, OuterOptimizer, Plan, Rates, Schedule, TrainPlan, TrainState,
};
use fastweights::model::{Init, Model, Op, Shape};
use fastweights::task::{
    ImageTasks, Philox, Purpose, Sampler, SeriesTable, Sinusoid, TaskSource, Visit, below, sine, unit,
};
use fastweights::wgsl::{Binding, Declaration, Library};

#[test]
fn words_are_the_hosts_to_the_integer() {
    static WORDS: Declaration = Declaration {
        shader: "philox_words",
        bindings: &[Binding::Write],
        constants: &[],
        workgroup_bytes: 0,
    };
    let Some(device) = adapter::device("words_are_the_hosts_to_the_integer") else { return };
    let library = Library::default().with("philox_words", include_str!("philox_words.wgsl"));
    let kernel = Kernel::new(&device, &library, &WORDS, &[]).unwrap();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let buffer = device.buffer("words", 16 * 1024, usage).unwrap();
    let bindings = kernel.bind(&device, &[buffer.as_entire_buffer_binding()]).unwrap();
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(kernel.pipeline());
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(16, 1, 1);
    }
    device.queue().submit([encoder.finish()]);
    let found: Vec<[u32; 4]> = device.read(&buffer, 0, 1024).unwrap();
    for (i, [bits, index, fraction, sin]) in found.into_iter().enumerate() {
        let i = i as u32;
        let mut stream = Philox::stream(0x0123_4567_89ab_cdef, Purpose::Pool, i.wrapping_mul(0x9e37_79b9), i);
        let word = (0..=i % 7).map(|_| stream.word()).last().unwrap();
        assert_eq!((bits, index, fraction), (word, below(word, 1000), unit(word).to_bits()), "stream {i}");
        let angle = (unit(word) - 0.5) * 2000.0;
        assert!((f32::from_bits(sin) - sine(angle)).abs() <= 1e-6, "sine of {angle}");
    }
}

fn train_plan(source: TaskSource, visit: Visit, steps: usize) -> TrainPlan {
    let sampler = Sampler { source, seed: 0x0123_4567_89ab_cdef, meta_batch: 3, support: 5, query: 5, visit };
    let (support, query) = sampler.points();
    let model = Model::mlp(sampler.source.inputs(), &[7, 6], 1, false).unwrap();
    let plan = Plan::new(model, Loss::mse(), support, query, steps, Rates::fixed(0.01)).unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-2, 8) }
}

/// 3 ways, 2 shots, 3 queries of rotated characters, a linear model of their pixels.
fn image_plan(visit: Visit, steps: usize) -> TrainPlan {
    let set = std::sync::Arc::new(glyphs::generate(5, 30, 6, 7));
    let source = TaskSource::Images(ImageTasks::new(set, Split::Train, 3, true).unwrap());
    let sampler = Sampler { source, seed: 0x0123_4567_89ab_cdef, meta_batch: 4, support: 6, query: 9, visit };
    let (support, query) = sampler.points();
    let image = Shape::Image { channels: 1, height: 7, width: 7 };
    let model = Model::sequential(image, &[Op::flatten(), Op::linear(3)]).unwrap();
    let plan = Plan::new(model, Loss::cross_entropy(), support, query, steps, Rates::fixed(0.1)).unwrap();
    TrainPlan { plan, sampler, outer: OuterOptimizer::adam(1e-2, 8) }
}

fn sinusoids(pool: Option<u32>) -> TaskSource {
    TaskSource::Sinusoid { family: Sinusoid::default(), pool }
}

/// Series of 16 to 5,000 values, so that places go beyond what one digit of an offset holds.
fn ragged() -> TaskSource {
    let lengths = [5000, 16, 17, 40, 333];
    let values = SeriesTable::generate(3, 1, lengths.iter().sum(), 6).values().to_vec();
    TaskSource::Series(SeriesTable::ragged(values, &lengths, 6).unwrap().standardised(0.0))
}

/// The same training in float64 on the host, with the tasks that the host draws.
fn reference(plan: &TrainPlan, iterations: u64) -> (Vec<f64>, Vec<f64>) {
    let mut params: Vec<f64> =
        plan.plan.meta_params(&Init::Torch.draw(&plan.plan.model, 1)).iter().map(|&v| v.into()).collect();
    let (mut m, mut v) = (vec![0.0; params.len()], vec![0.0; params.len()]);
    let outer = &plan.outer;
    let mut losses = Vec::new();
    for t in 0..iterations {
        let batch = plan.sampler.batch(t).map(f64::from);
        let mut out = oracle::meta_gradient(&plan.plan, &params, &batch).unwrap();
        losses.push(out.meta_loss);
        if let Some(c) = outer.clip_value {
            out.gradient.iter_mut().for_each(|g| *g = g.clamp(-f64::from(c), c.into()));
        }
        if let Some(c) = outer.clip_norm {
            let norm = out.gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            out.gradient.iter_mut().for_each(|g| *g *= (f64::from(c) / norm).min(1.0));
        }
        let n = (t + 1) as i32;
        for (i, g) in out.gradient.iter().enumerate() {
            match outer.kind {
                OuterKind::Sgd => params[i] -= outer.rate(t) * g,
                OuterKind::Adam => {
                    m[i] = outer.beta1 * m[i] + (1.0 - outer.beta1) * g;
                    v[i] = outer.beta2 * v[i] + (1.0 - outer.beta2) * g * g;
                    let m_hat = m[i] / (1.0 - outer.beta1.powi(n));
                    let v_hat = v[i] / (1.0 - outer.beta2.powi(n));
                    params[i] -= outer.rate(t) * m_hat / (v_hat.sqrt() + outer.epsilon);
                }
            }
        }
    }
    (params, losses)
}

fn start(plan: &TrainPlan) -> TrainState {
    TrainState::start(plan.plan.meta_params(&Init::Torch.draw(&plan.plan.model, 1)))
}

#[test]
fn training_follows_the_host_for_every_source_visit_and_rule() {
    let Some(device) = adapter::device("training_follows_the_host_for_every_source_visit_and_rule") else {
        return;
    };
    let mut gpu = GpuBackend::new(device);
    let series = TaskSource::Series(SeriesTable::generate(3, 4, 40, 6));
    let mut plans = vec![
        ("fresh", train_plan(sinusoids(None), Visit::Split, 1)),
        ("pool", train_plan(sinusoids(Some(7)), Visit::Split, 1)),
        ("joint", train_plan(sinusoids(Some(7)), Visit::Joint, 0)),
        ("halves", train_plan(sinusoids(Some(7)), Visit::Halves, 0)),
        ("series", train_plan(series, Visit::Split, 2)),
        ("ragged series by their past", train_plan(ragged(), Visit::Split, 2)),
        ("ragged series, joint", train_plan(ragged(), Visit::Joint, 0)),
        ("images", image_plan(Visit::Split, 1)),
        ("images, joint", image_plan(Visit::Joint, 0)),
    ];
    let mut clipped = train_plan(sinusoids(None), Visit::Split, 1);
    clipped.outer = OuterOptimizer {
        kind: OuterKind::Sgd,
        clip_value: Some(0.5),
        clip_norm: Some(0.7),
        schedule: Schedule::Cosine,
        ..OuterOptimizer::adam(0.1, 8)
    };
    plans.push(("clipped, cosine", clipped));
    for path in [Path::Fused, Path::Layered] {
        gpu = gpu.with_path(path);
        // The fused path is for perceptrons on numbers.
        for (name, plan) in plans.iter().filter(|(_, p)| path == Path::Layered || p.plan.model.is_chain()) {
            let mut training = gpu.training(plan, start(plan)).unwrap();
            let losses = training.advance(7).unwrap();
            let (params, expected) = reference(plan, 7);
            let found: Vec<f64> = losses.iter().map(|l| l.query.into()).collect();
            let error = relative_error(&found, &expected);
            assert!(error <= 1e-4, "{path:?}, {name}: {found:?} against {expected:?}");
            let state = training.state().unwrap();
            assert_eq!(state.iteration, 7);
            let found: Vec<f64> = state.params.iter().map(|&v| v.into()).collect();
            // Adam divides by the root of small moments, so rounding grows; the losses above are strict.
            let error = relative_error(&found, &params);
            assert!(error <= 1e-3, "{path:?}, {name}: parameters {error:e}");
        }
    }
}

#[test]
fn resumed_and_cut_trainings_are_the_same_to_the_byte() {
    let Some(device) = adapter::device("resumed_and_cut_trainings_are_the_same_to_the_byte") else { return };
    // The layered path in tiles of two of the three tasks: cutting tasks must not show either.
    let mut gpu =
        GpuBackend::new(device).with_layered_tuning(LayeredTuning { tile: 2, ..LayeredTuning::default() });
    let plan = train_plan(sinusoids(Some(20)), Visit::Split, 2);
    for path in [Path::Layered, Path::Fused] {
        gpu = gpu.with_path(path);
        let mut whole = gpu.training(&plan, start(&plan)).unwrap();
        let losses = whole.advance(50).unwrap();
        assert_eq!(losses.len(), 50);
        let mut first = gpu.training(&plan, start(&plan)).unwrap();
        let mut again = first.advance(3).unwrap();
        again.extend(first.advance(20).unwrap());
        gpu = gpu.with_layered_tuning(LayeredTuning::default());
        let mut second = gpu.training(&plan, first.state().unwrap()).unwrap();
        again.extend(second.advance(27).unwrap());
        assert_eq!(losses, again, "{path:?}");
        assert_eq!(whole.state().unwrap(), second.state().unwrap(), "{path:?}");
    }
}

#[test]
fn a_profile_has_every_dispatch() {
    let Some(device) = adapter::device("a_profile_has_every_dispatch") else { return };
    if !device.report().timestamps {
        return;
    }
    let mut gpu = GpuBackend::new(device);
    for (path, plan) in [
        (Path::Fused, train_plan(sinusoids(None), Visit::Split, 1)),
        (Path::Layered, train_plan(sinusoids(None), Visit::Split, 2)),
        (Path::Layered, image_plan(Visit::Split, 1)),
    ] {
        gpu = gpu.with_path(path);
        let times = gpu.profile(&plan, start(&plan)).unwrap();
        let dispatches: usize = times.iter().map(|time| time.dispatches).sum();
        assert_eq!(dispatches, gpu.footprint(&plan).unwrap().dispatches, "{path:?}");
        assert!(times.iter().any(|time| time.seconds > 0.0), "{path:?}: {times:?}");
        assert_eq!(times.last().unwrap().kernel, "reduce");
    }
}

#[test]
fn a_diverging_training_is_an_error_with_the_iteration() {
    let Some(device) = adapter::device("a_diverging_training_is_an_error_with_the_iteration") else { return };
    let gpu = GpuBackend::new(device);
    let mut plan = train_plan(sinusoids(None), Visit::Split, 1);
    plan.outer = OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(1e20, 100) };
    let error = gpu.training(&plan, start(&plan)).unwrap().advance(30).unwrap_err().to_string();
    assert!(error.contains("meta-iteration"), "{error}");
}
