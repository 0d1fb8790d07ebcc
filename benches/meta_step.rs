//! Meta-iterations of the workloads, CPU against GPU: sampling, second-order meta-gradient and outer update.
//!
//! `cargo bench` measures; the throughput that it reports is in tasks a second. A GPU that is only software
//! (for tests) is measured on the smallest work. With `--test`, as under `cargo test`, every
//! benchmark runs once.

use criterion::{BenchmarkId, Criterion, Throughput};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::adapter::{AdapterKind, Choice};
use fastweights::backend::gpu::{Device, GpuBackend};
use fastweights::meta::{Backend, MetaGradient, Plan, Trainer};
use fastweights::model::Operations;
use fastweights::workloads::WORKLOADS;
use std::time::{Duration, Instant};

/// The devices there are: a name, the backend, the most operations a meta-iteration to measure.
fn devices() -> Vec<(&'static str, Box<dyn Backend>, u64)> {
    let mut devices: Vec<(_, Box<dyn Backend>, _)> = vec![("cpu", Box::new(CpuBackend::new(None)), u64::MAX)];
    match Device::open(&Choice::Any) {
        Ok(device) => {
            let software = device.report().kind == AdapterKind::Software;
            let most = if software { 50_000_000 } else { u64::MAX };
            devices.push((
                if software { "software-gpu" } else { "gpu" },
                Box::new(GpuBackend::new(device)),
                most,
            ));
        }
        Err(error) => eprintln!("no GPU is measured: {error}"),
    }
    devices
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let once = std::env::args().any(|a| a == "--test") || !std::env::args().any(|a| a == "--bench");
    let devices = devices();
    for workload in WORKLOADS {
        // Tests run everything once: not what takes minutes.
        if once && ["miniimagenet", "resnet12"].contains(&workload.name) {
            continue;
        }
        let mut group = criterion.benchmark_group(workload.name);
        for &meta_batch in workload.meta_batches {
            let recipe = workload.recipe(meta_batch).expect("a built-in recipe");
            let plan = recipe.train_plan().expect("a built-in recipe");
            let Plan { model, support, query, steps, order, .. } = &plan.plan;
            let second = *order == MetaGradient::SecondOrder;
            let task = Operations::meta_gradient(model, *support, *query, *steps, second).per_task;
            for (name, backend, most) in &devices {
                if task * u64::from(meta_batch) > *most || (once && meta_batch > 256) {
                    continue;
                }
                let start = recipe.start().expect("a built-in recipe");
                let mut trainer =
                    Trainer::new(&**backend, &plan, start).expect("a device that runs the plan");
                let check = trainer.advance(2).expect("two meta-iterations");
                assert!(check.losses.iter().all(|l| l.query.is_finite() && l.query > 0.0));
                group.throughput(Throughput::Elements(u64::from(meta_batch)));
                group.bench_function(BenchmarkId::new(*name, meta_batch), |bencher| {
                    bencher.iter_custom(|iterations| {
                        let begin = Instant::now();
                        trainer.advance(iterations).expect("meta-iterations");
                        begin.elapsed()
                    });
                });
            }
        }
        group.finish();
    }
    criterion.final_summary();
}
