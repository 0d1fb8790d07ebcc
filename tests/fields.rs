//! Fields: what tasks hold, and that networks of sines, rays and latents learn from them alike on every device.

mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::{GpuBackend, Path};
use fastweights::backend::oracle;
use fastweights::case::relative_error;
use fastweights::data::glyphs;
use fastweights::learner::{Maml, MetaLearner as _};
use fastweights::meta::{
    Algorithm, Backend, Loss, OuterOptimizer, Plan, RateShape, Rates, TrainPlan, TrainState,
};
use fastweights::model::{Init, Model, Op, Preset, Shape, Siren};
use fastweights::ops::elementwise::Function;
use fastweights::task::{
    FieldTasks, MeasuredFields, Phantom, Philox, Purpose, QueryPoints, Rays, Sampler, Signals, TaskBatch,
    TaskFamily, TaskSource, Visit,
};
use std::sync::Arc;

fn phantoms(side: usize, query: QueryPoints) -> FieldTasks {
    FieldTasks::new(Signals::Phantoms { side }, query).unwrap()
}

/// Three fields of 5, 9 and 2 points in space and time, two values each.
fn measured(query: QueryPoints) -> FieldTasks {
    let lengths = [5, 9, 2];
    let number = |i: usize| (0.7 * i as f32).sin();
    let (x, y) = ((0..48).map(number).collect(), (0..32).map(|i| 0.5 + 0.5 * number(7 * i + 1)).collect());
    let fields = MeasuredFields::new((3, x), (2, y), &lengths).unwrap();
    FieldTasks::new(Signals::Measured { fields: Arc::new(fields), chosen: [0, 1, 2].into() }, query).unwrap()
}

fn sampler(tasks: &FieldTasks, support: usize, query: usize) -> Sampler {
    let source = TaskSource::Custom(Arc::new(tasks.clone()));
    Sampler { source, seed: 4, meta_batch: 3, support, query, visit: Visit::Split }
}

fn siren(inputs: usize, hidden: &[usize], latent: usize, outputs: usize) -> Model {
    let siren = Siren { hidden: hidden.to_vec(), omega: 10.0, first_omega: 20.0, latent };
    Preset::Siren(siren).graph(Shape::Vector(inputs), outputs).unwrap().finish().unwrap()
}

/// A network of rays: 1 × 1 convolutions, and the mean over the ray before the last linear layer.
fn ray_model(samples: usize) -> Model {
    let sine = Op::from(Function::Sine { omega: 10.0 });
    let layers =
        [Op::conv2d(6, 1, 1, 0), sine, Op::conv2d(5, 1, 1, 0), sine, Op::global_avg_pool2d(), Op::linear(1)];
    Model::sequential(Shape::Image { channels: 2, height: 1, width: samples }, &layers).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

#[test]
fn a_task_holds_points_of_one_signal() {
    let side = 6;
    let task = sampler(&phantoms(side, QueryPoints::Same), 20, 20).batch(5).slice(1..2);
    assert_eq!((&task.support_x, &task.support_y), (&task.query_x, &task.query_y));
    let phantom = Phantom::draw(&mut Philox::stream(4, Purpose::Task, 5, 1));
    let mut seen = Vec::new();
    for (x, y) in task.support_x.chunks_exact(2).zip(&task.support_y) {
        assert_eq!(phantom.value([x[0], x[1]]), *y);
        let cell = |x: f32| ((x + 1.0) * 0.5 * side as f32 - 0.5).round() as usize;
        seen.push(cell(x[1]) * side + cell(x[0]));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 20);
    // All points stand in their order, and so do those of an evaluation.
    let all = sampler(&phantoms(side, QueryPoints::Same), 36, 36).batch(0);
    let judged = phantoms(side, QueryPoints::Same).evaluation(9, 0, 0..2, 10);
    assert_eq!((judged.support, judged.query), (10, 36));
    assert_eq!(all.support_x[..72], judged.query_x[72..]);
    // Each meta-iteration has points of its own.
    let next = sampler(&phantoms(side, QueryPoints::Same), 20, 20).batch(6).slice(1..2);
    assert_ne!(next.support_x, task.support_x);
}

#[test]
fn other_points_are_judged_where_it_is_asked_for() {
    for points in [36, 30] {
        let tasks = phantoms(6, QueryPoints::Others);
        let task = sampler(&tasks, points / 3, points - points / 3).batch(2).slice(0..1);
        let mut all: Vec<_> = [&task.support_x[..], &task.query_x]
            .concat()
            .chunks_exact(2)
            .map(|x| (x[0].to_bits(), x[1].to_bits()))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), points);
        assert!(task.support_x.chunks_exact(2).map(|x| x[1]).is_sorted().eq(&false), "not the first rows");
    }
    let refused = sampler(&phantoms(6, QueryPoints::Others), 20, 17).check().unwrap_err().to_string();
    assert!(refused.contains("`task.points`") && refused.contains("36"), "{refused}");
}

#[test]
fn images_are_fields_of_their_pixels() {
    let set = Arc::new(glyphs::generate(1, 6, 3, 9).in_channels(3).unwrap());
    let chosen = [4, 11].into();
    let tasks =
        FieldTasks::new(Signals::Images { set: Arc::clone(&set), chosen }, QueryPoints::Same).unwrap();
    assert_eq!((tasks.inputs(), tasks.targets(), tasks.most_points()), (2, 3, 81));
    let judged = tasks.evaluation(0, 0, 0..2, 81);
    for (slot, image) in [4, 11].into_iter().enumerate() {
        for (at, y) in judged.query_y[slot * 243..][..243].chunks_exact(3).enumerate() {
            for (channel, y) in y.iter().enumerate() {
                assert_eq!(*y, f32::from(set.image(image)[channel * 81 + at]) / 255.0);
            }
        }
    }
    // A ray along a row of pixels is their mean: of the second angle of two, which runs from below to above, a column's.
    let rays = tasks.with_rays(Rays { angles: 2, offsets: 9, samples: 18 }).unwrap();
    let task = rays.evaluation(0, 0, 0..1, 18);
    let column = |c: usize| (0..9).map(|r| f32::from(set.image(4)[r * 9 + c]) / 255.0).sum::<f32>() / 9.0;
    for c in 0..9 {
        assert!((task.support_y[3 * c] - column(c)).abs() < 1e-5, "{c}");
    }
    // Pixels that are judged are rays of no length.
    assert_eq!((task.query, task.inputs), (81, 36));
    assert!(task.query_x.chunks_exact(18).all(|x| x.iter().all(|v| *v == x[0])));
    assert_eq!(task.query_y, judged.query_y[..243]);
}

#[test]
fn unequal_fields_are_as_each_alone() {
    let model = siren(3, &[5, 4], 0, 2);
    let plan = Plan::new(model, Loss::mse(), 7, 7, 2, Rates::fixed(0.05)).unwrap();
    let theta = Init::Siren.draw(&plan.model, 3);
    for (query, s, q) in [(QueryPoints::Same, 7, 7), (QueryPoints::Others, 4, 5)] {
        let tasks = measured(query);
        let plan = Plan { support: s, query: q, ..plan.clone() };
        let batch = sampler(&tasks, s, q).batch(3);
        let weights = batch.weights.clone().expect("unequal fields have weights");
        let oracle_of = |plan: &Plan, tasks: &TaskBatch| {
            oracle::meta_gradient(plan, &wide(&theta), &tasks.map(f64::from)).unwrap()
        };
        let all = oracle_of(&plan, &batch);
        let mut mean = vec![0.0; theta.len()];
        for task in 0..3 {
            let one = batch.slice(task..task + 1);
            let count = |weights: &[f32], points| {
                weights[task * points..][..points].iter().filter(|w| **w > 0.0).count()
            };
            let (support, query) = (count(&weights.support, s), count(&weights.query, q));
            let mut alone = TaskBatch::zeros(1, support, query, 3, 2);
            let (x, y) =
                ([&one.support_x[..], &one.query_x].concat(), [&one.support_y[..], &one.query_y].concat());
            // What counts stands first, in support and query alike.
            let pick = |from: &[f32], width: usize| {
                [&from[..support * width], &from[s * width..(s + query) * width]].concat()
            };
            alone.put(0, &pick(&x, 3), &pick(&y, 2));
            let alone = oracle_of(&Plan { support, query, ..plan.clone() }, &alone);
            mean.iter_mut().zip(&alone.gradient).for_each(|(sum, g)| *sum += g / 3.0);
        }
        assert!(relative_error(&all.gradient, &mean) < 1e-12);
        let found = CpuBackend::new(Some(1)).meta_gradient(&plan, &theta, &batch).unwrap();
        assert!(relative_error(&wide(&found.gradient), &all.gradient) < 2e-5);
    }
}

#[test]
fn a_ray_is_the_mean_of_the_network_along_it() {
    let tasks = phantoms(6, QueryPoints::Same).with_rays(Rays { angles: 5, offsets: 6, samples: 7 }).unwrap();
    let model = ray_model(7);
    let theta = Init::Siren.draw(&model, 1);
    let rays = tasks.evaluation(0, 0, 0..1, 30);
    let plan = Plan::new(model, Loss::mse(), 0, 30, 0, Rates::fixed(0.0)).unwrap();
    let cpu = CpuBackend::new(Some(1));
    let values = |x: Vec<f32>| {
        let query = x.len() / 14;
        let batch = TaskBatch { query_x: x.into(), ..TaskBatch::zeros(1, 0, query, 14, 1) };
        let plan = plan.for_evaluation(&theta, 0, query, 0, Some(0.0));
        cpu.evaluate(&plan, &theta, &batch, true).unwrap().predictions.unwrap()
    };
    let along = values(rays.support_x.to_vec());
    // Each place of each ray as a ray of no length.
    let places: Vec<f32> = (rays.support_x.chunks_exact(14))
        .flat_map(|x| (0..7).flat_map(|k| [[x[k]; 7], [x[7 + k]; 7]].concat()).collect::<Vec<_>>())
        .collect();
    let means: Vec<f32> = values(places).chunks_exact(7).map(|v| v.iter().sum::<f32>() / 7.0).collect();
    assert!(relative_error(&wide(&along), &wide(&means)) < 1e-5);
}

/// Plans of all that fields are learned by, with their tasks.
fn plans() -> Vec<(&'static str, Plan, Sampler)> {
    let rays = phantoms(5, QueryPoints::Same).with_rays(Rays { angles: 3, offsets: 5, samples: 4 }).unwrap();
    let plan =
        |model, points, steps, rates| Plan::new(model, Loss::mse(), points, points, steps, rates).unwrap();
    let mut latent = plan(siren(2, &[6, 5], 3, 1), 11, 2, Rates::fixed(0.5));
    latent.adapted = latent.model.params().iter().map(|param| param.name.starts_with("latent")).collect();
    latent.rates = Rates { shape: RateShape::PerParameter, learned: true, values: Vec::new(), range: None };
    latent.rates.values = vec![0.5; latent.rate_count()];
    vec![
        (
            "siren",
            plan(siren(2, &[7, 5], 0, 1), 13, 2, Rates::fixed(0.02)),
            sampler(&phantoms(5, QueryPoints::Same), 13, 13),
        ),
        ("latent", latent, sampler(&phantoms(5, QueryPoints::Same), 11, 11)),
        ("rays", plan(ray_model(4), 9, 2, Rates::fixed(0.05)), sampler(&rays, 9, 9)),
        (
            "measured",
            plan(siren(3, &[5, 4], 0, 2), 7, 1, Rates::fixed(0.05)),
            sampler(&measured(QueryPoints::Same), 7, 7),
        ),
    ]
}

#[test]
fn gradients_of_every_recipe_are_those_of_finite_differences() {
    for (name, plan, sampler) in plans() {
        let theta = plan.meta_params(&Init::Siren.draw(&plan.model, 2));
        let (theta, tasks) = (wide(&theta), sampler.batch(1).map(f64::from));
        let loss = |theta: &[f64]| oracle::meta_gradient(&plan, theta, &tasks).unwrap().meta_loss;
        let exact = oracle::meta_gradient(&plan, &theta, &tasks).unwrap().gradient;
        let step = 1e-5;
        let differences: Vec<f64> = (0..theta.len())
            .map(|e| {
                let at = |by: f64| {
                    let mut moved = theta.clone();
                    moved[e] += by;
                    loss(&moved)
                };
                (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
            })
            .collect();
        let error = relative_error(&differences, &exact);
        assert!(error < 1e-7, "{name}: {error:e}");
    }
}

#[test]
fn devices_agree_on_every_recipe() {
    let gpu =
        adapter::device("devices_agree_on_every_recipe").map(|d| GpuBackend::new(d).with_path(Path::Layered));
    for (name, plan, sampler) in plans() {
        let theta = plan.meta_params(&Init::Siren.draw(&plan.model, 2));
        let tasks = sampler.batch(1);
        let expected = oracle::meta_gradient(&plan, &wide(&theta), &tasks.map(f64::from)).unwrap();
        let cpu = CpuBackend::new(Some(2));
        let devices = [Some(&cpu as &dyn Backend), gpu.as_ref().map(|gpu| gpu as &dyn Backend)];
        for device in devices.into_iter().flatten() {
            let found = device.meta_gradient(&plan, &theta, &tasks).unwrap();
            let error = relative_error(&wide(&found.gradient), &expected.gradient);
            assert!(error <= 2e-5, "{name} on {}: {error:e}", device.name());
        }
        // Two meta-iterations as they are trained, drawn where they run.
        let train = TrainPlan { plan: plan.clone(), sampler, outer: OuterOptimizer::adam(1e-3, 2) };
        let start = TrainState::start(theta);
        let ran: Vec<_> = devices
            .into_iter()
            .flatten()
            .map(|device| device.training(&train, start.clone()).unwrap().advance(2).unwrap())
            .map(|losses| losses.iter().map(|l| f64::from(l.query)).collect::<Vec<_>>())
            .collect();
        assert!(ran.windows(2).all(|pair| relative_error(&pair[0], &pair[1]) < 1e-4), "{name}: {ran:?}");
    }
}

#[test]
fn learned_rates_stay_in_their_range() {
    let gpu = adapter::device("learned_rates_stay_in_their_range")
        .map(|d| GpuBackend::new(d).with_path(Path::Layered));
    let (_, mut plan, sampler) = plans().swap_remove(1);
    plan.rates.range = Some([0.45, 0.55]);
    let p = plan.model.param_count();
    // A step of Adam is as large as its rate, so some rates leave the range at once, on both sides.
    for clip_norm in [None, Some(1e3)] {
        let outer = OuterOptimizer { clip_norm, ..OuterOptimizer::adam(0.2, 3) };
        let train = TrainPlan { plan: plan.clone(), sampler: sampler.clone(), outer };
        let start = TrainState::start(plan.meta_params(&Init::Siren.draw(&plan.model, 2)));
        let cpu = CpuBackend::new(Some(1));
        let devices = [Some(&cpu as &dyn Backend), gpu.as_ref().map(|gpu| gpu as &dyn Backend)];
        for device in devices.into_iter().flatten() {
            let mut training = device.training(&train, start.clone()).unwrap();
            training.advance(1).unwrap();
            let params = training.state().unwrap().params;
            let latent = plan.model.params().iter().find(|param| param.name == "latent.weight").unwrap();
            let rates = &params[p..][latent.range()];
            assert!(rates.iter().all(|rate| *rate == 0.45 || *rate == 0.55), "{}: {rates:?}", device.name());
            assert!(params[..p].iter().any(|v| v.abs() > 0.1), "parameters are held by nothing");
        }
    }
    // The learner that takes given tasks holds them, too.
    let mut algorithm = Algorithm::maml(plan.model.clone(), Loss::mse()).with(|inner| {
        (inner.steps, inner.lr, inner.learned_lr) = (1, 0.5, Some(RateShape::One));
        inner.lr_range = Some([0.5, 0.52]);
    });
    (algorithm.outer, algorithm.init) = (OuterOptimizer::adam(0.2, 3), Init::Siren);
    let cpu = CpuBackend::new(Some(1));
    let mut learner = Maml::new(algorithm, &cpu).unwrap();
    learner.step(&sampler.batch(0)).unwrap();
    let rate = learner.state().params[p];
    assert!(rate == 0.5 || rate == 0.52, "{rate}");
}

#[test]
fn what_are_no_fields_is_refused() {
    assert!(MeasuredFields::new((1, vec![0.0; 3]), (1, vec![0.0; 3]), &[2, 1]).is_err());
    assert!(MeasuredFields::new((1, vec![0.0; 4]), (1, vec![0.0; 3]), &[2, 2]).is_err());
    assert!(MeasuredFields::new((1, vec![f32::NAN; 4]), (1, vec![0.0; 4]), &[2, 2]).is_err());
    let rays = Rays { angles: 2, offsets: 2, samples: 2 };
    assert!(measured(QueryPoints::Same).with_rays(rays).unwrap_err().to_string().contains("task.angles"));
    let none = MeasuredFields::new((1, vec![0.0; 2]), (1, vec![0.0; 2]), &[2]).unwrap();
    assert!(
        FieldTasks::new(Signals::Measured { fields: Arc::new(none), chosen: [].into() }, QueryPoints::Same)
            .is_err()
    );
}
