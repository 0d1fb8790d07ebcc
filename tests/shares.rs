//! Meta-batches shared by several devices of one process: the bytes of one device alone.

mod adapter;

use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::gpu::GpuBackend;
use fastweights::backend::{Devices, Sharing, local_exchange, open_cpu, open_devices};
use fastweights::case::relative_error;
use fastweights::meta::{
    Backend, Evaluation, Exchange, Forecast, Losses, Plan, Prepared, TrainPlan, TrainState, Training,
};
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::task::TaskBatch;
use fastweights::{Error, ErrorKind, Result};
use std::sync::Arc;

fn recipe(name: &str, settings: &[&str]) -> Recipe {
    let settings: Vec<_> = settings.iter().map(|text| parse_setting(text).unwrap()).collect();
    let mut recipe = Recipe::load(name, &settings).unwrap();
    recipe.load_data(None).unwrap();
    recipe
}

fn sine(tasks: &str) -> Recipe {
    recipe("sinusoid", &[&format!("outer.meta_batch={tasks}"), "outer.clip_norm=1.0", "evaluation.tasks=50"])
}

/// Models of convolutions, one small and one whose rows are sent in stretches.
fn images(channels: u32) -> Recipe {
    let channels = format!("model.channels={channels}");
    recipe("omniglot-5way-1shot", &["task.data=glyphs", &channels, "task.queries=1", "outer.meta_batch=5"])
}

fn trained(device: &dyn Backend, recipe: &Recipe, blocks: &[u64]) -> (TrainState, Vec<Losses>) {
    let mut training = device.training(&recipe.train_plan().unwrap(), recipe.start().unwrap()).unwrap();
    let losses = blocks.iter().flat_map(|&n| training.advance(n).unwrap()).collect();
    (training.state().unwrap(), losses)
}

fn cpus(count: usize, threads: usize, set: Instructions) -> Devices {
    let make = |_, exchange| {
        let cpu = CpuBackend::new(Some(threads)).with_instructions(set)?.shared(exchange);
        Ok(Box::new(cpu) as Box<dyn Backend>)
    };
    Devices::new(count, &mut { make }).unwrap()
}

#[test]
fn any_number_of_cpus_trains_to_the_bytes_of_one() {
    for set in Instructions::available() {
        for recipe in [sine("3"), sine("100"), sine("300"), images(8), images(48)] {
            // Networks of images take long without vectors, and shares do not look at what is in a row.
            let large = recipe.name != "sinusoid";
            if large && set == Instructions::Portable && Instructions::available().len() > 1 {
                continue;
            }
            let one = CpuBackend::new(Some(1)).with_instructions(set).unwrap();
            let blocks = if large { vec![1, 1] } else { vec![1, 2, 1] };
            let expected = trained(&one, &recipe, &[blocks.iter().sum()]);
            for (count, threads) in [(2, 1), (3, 2), (7, 1)] {
                // Between the blocks shares may change, by what each took.
                let found = trained(&cpus(count, threads, set), &recipe, &blocks);
                let name = format!("{}, {} tasks, {count} × {threads}", recipe.name, recipe.outer.meta_batch);
                assert!(found.0 == expected.0, "{name}: the state is another");
                assert_eq!(found.1, expected.1, "{name}");
            }
        }
    }
}

/// Without a norm to clip by, threads meet only where a meta-iteration ends.
#[test]
fn losses_are_those_of_one_thread_on_any_number() {
    for (recipe, steps) in [(recipe("sinusoid", &["outer.meta_batch=100"]), 300), (images(8), 40)] {
        let expected = trained(&CpuBackend::new(Some(1)), &recipe, &[steps]);
        for threads in [2, 3, 4] {
            let found = trained(&CpuBackend::new(Some(threads)), &recipe, &[steps]);
            assert!(found.0 == expected.0 && found.1 == expected.1, "{}, {threads} threads", recipe.name);
        }
    }
}

#[test]
fn evaluations_are_shared_to_the_bytes_of_one() {
    let recipe = sine("25");
    let one = CpuBackend::new(Some(1));
    let theta = recipe.start().unwrap().params;
    let plan = recipe.plan().unwrap();
    for tasks in [1, 15, 16, 40, 100] {
        let batch = recipe.evaluation_tasks(&recipe.evaluation, 0..tasks).unwrap();
        let plan = plan.for_evaluation(&theta, batch.support, batch.query, 3, None);
        let expected = one.evaluate(&plan, &theta, &batch, true).unwrap();
        let devices = cpus(3, 1, Instructions::available().pop().unwrap());
        assert_eq!(devices.evaluate(&plan, &theta, &batch, true).unwrap(), expected, "{tasks} tasks");
        // As processes do it: each has the results of all.
        std::thread::scope(|scope| {
            for exchange in local_exchange(3) {
                let (one, plan, theta, batch, expected) = (&one, &plan, &theta, &batch, &expected);
                scope.spawn(move || {
                    let sharing = Sharing::new(one.clone(), one.clone(), exchange);
                    assert_eq!(sharing.evaluate(plan, theta, batch, true).unwrap(), *expected);
                    assert!(sharing.alone().is_some());
                });
            }
        });
    }
}

#[test]
fn logical_gpus_train_to_the_bytes_of_one_and_near_the_cpu() {
    let Some(device) = adapter::device("logical_gpus_train_to_the_bytes_of_one") else { return };
    let gpu = GpuBackend::new(device);
    for (recipe, blocks) in [(sine("37"), [3, 3]), (images(8), [1, 1])] {
        let gpus = |count| {
            let mut make = |_, exchange| Ok(Box::new(gpu.clone().shared(exchange)) as Box<dyn Backend>);
            Devices::new(count, &mut make).unwrap()
        };
        let (state, losses) = trained(&gpus(1), &recipe, &blocks);
        for count in [2, 3] {
            assert!(
                trained(&gpus(count), &recipe, &blocks) == (state.clone(), losses.clone()),
                "{count} devices"
            );
        }
        let alone = trained(&CpuBackend::new(Some(1)), &recipe, &blocks);
        // Adam's first steps have the size of the rate, whichever way they go where a gradient is all rounding.
        let error = relative_error(&losses_of(&losses), &losses_of(&alone.1));
        assert!(error <= 2e-5, "{}: losses {error}", recipe.name);
        // A CPU beside them is allowed by name, near them all the same.
        let mut make = |i, exchange: Arc<dyn Exchange>| {
            let cpu = CpuBackend::new(Some(1)).shared(Arc::clone(&exchange)).by_tasks();
            Ok(if i == 0 {
                Box::new(cpu) as Box<dyn Backend>
            } else {
                Box::new(gpu.clone().shared(exchange))
            })
        };
        let mixed = trained(&Devices::new(2, &mut make).unwrap(), &recipe, &blocks);
        let error = relative_error(&losses_of(&mixed.1), &losses_of(&losses));
        assert!(error <= 2e-5, "{}: mixed losses {error}", recipe.name);
    }
}

fn losses_of(losses: &[Losses]) -> Vec<f64> {
    losses.iter().flat_map(|loss| [f64::from(loss.query), f64::from(loss.support)]).collect()
}

#[test]
fn devices_of_several_kinds_are_refused_by_name_unless_allowed() {
    let cpu = open_cpu(Some(1), None);
    let Some(device) = adapter::device("devices_of_several_kinds_are_refused") else { return };
    let index = device.report().index.to_string();
    let names = format!("cpu,{index}");
    let refused = |names: &str| match open_devices(names, &cpu, None, false) {
        Ok(_) => panic!("{names} is taken"),
        Err(error) => error.to_string(),
    };
    let error = refused(&names);
    assert!(error.contains("--mixed") && error.contains("cpu with"), "{error}");
    assert!(open_devices(&names, &cpu, None, true).is_ok());
    let two = open_devices(&format!("{index},{index}"), &cpu, None, false).unwrap();
    assert!(!two.is_cpu && two.backend.name().contains(" + "));
    for bad in ["", "cpu,", ",0"] {
        assert!(refused(bad).contains("commas"), "{bad}");
    }
    assert!(refused("cpu,no such thing").contains("no such thing"));
}

/// A device that fails in its second call.
struct Failing(CpuBackend);

struct Second(Box<dyn Training>, u32);

impl Training for Second {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        self.1 += 1;
        if self.1 == 2 { Err(Error::device("the card fell out")) } else { self.0.advance(iterations) }
    }

    fn state(&mut self) -> Result<TrainState> {
        self.0.state()
    }
}

impl Backend for Failing {
    fn name(&self) -> String {
        self.0.name()
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        Ok(Box::new(Second(self.0.training(plan, state)?, 0)))
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        self.0.forecast(plan)
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.0.prepare(plan, tasks, weighted)
    }

    fn evaluate(&self, plan: &Plan, theta: &[f32], tasks: &TaskBatch, all: bool) -> Result<Evaluation> {
        self.0.evaluate(plan, theta, tasks, all)
    }
}

#[test]
fn a_device_that_fails_ends_the_training_of_all_and_they_can_begin_anew() {
    let recipe = sine("100");
    let mut make = |i, exchange| {
        let cpu = CpuBackend::new(Some(1)).shared(exchange);
        Ok(if i == 1 { Box::new(Failing(cpu)) as Box<dyn Backend> } else { Box::new(cpu) })
    };
    let devices = Devices::new(3, &mut make).unwrap();
    for _ in 0..2 {
        let plan = recipe.train_plan().unwrap();
        let mut training = devices.training(&plan, recipe.start().unwrap()).unwrap();
        assert_eq!(training.advance(2).unwrap().len(), 2);
        let error = training.advance(2).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Device(_)) && error.to_string().contains("fell out"),
            "{error}"
        );
    }
}
