//! Batches of tasks through the engine: trainings, given tasks, evaluation.

use super::super::engine::Cut;
use super::super::kernels::Isa;
use super::super::training::Engine;
use super::compiled::Compiled;
use super::memory::KEPT;
use super::task::{Task, TaskLosses};
use crate::meta::{Evaluation, Losses, MetaOutput, Plan, TrainPlan};
use crate::task::{Sampler, TaskBatch};
use std::sync::{Arc, Mutex, PoisonError};

/// What one thread owns.
pub(super) struct Worker<I> {
    task: Task<I>,
    losses: TaskLosses,
    /// Room for the points of a task.
    x: Vec<f32>,
    y: Vec<f32>,
    /// The meta-iteration whose parameters the task has.
    begun: Option<u64>,
}

/// Floats of a task that is adapted, without a gradient of the second order.
pub(in crate::backend::cpu) fn evaluation_len<I: Isa>(plan: &Plan) -> usize {
    Task::<I>::memory(&Compiled::new(plan, I::LANES), KEPT, false).len
}

impl<I: Isa> Worker<I> {
    fn new(compiled: &Arc<Compiled>, points: usize) -> Self {
        let plan = &compiled.plan;
        let steps = plan.steps;
        Self {
            task: Task::new(compiled.clone(), true),
            losses: TaskLosses { query: vec![0.0; steps + 1], support: vec![0.0; steps] },
            x: vec![0.0; points * plan.model.inputs()],
            y: vec![0.0; points * plan.targets()],
            begun: None,
        }
    }

    /// Runs the task whose points were filled in and adds its gradient to `gradient`, or puts it there if it is the
    /// `first`; adds its losses.
    fn run(&mut self, gradient: &mut [f32], first: bool, losses: &mut Losses) {
        let len = self.task.gradient().len();
        let (theta, rates) = gradient.split_at_mut(len);
        if first {
            rates.fill(0.0);
        }
        self.task.run(&mut self.losses, rates);
        if first {
            theta.copy_from_slice(self.task.gradient());
        } else {
            for (sum, v) in theta.iter_mut().zip(self.task.gradient()) {
                *sum += v;
            }
        }
        let weights = &self.task.compiled.plan.loss_weights;
        for (loss, &weight) in self.losses.query.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
            losses.query += weight as f32 * loss;
        }
        losses.support += self.losses.support.first().copied().unwrap_or(0.0);
    }
}

/// The engine of a training.
pub(super) struct Tasks<I> {
    compiled: Arc<Compiled>,
    sampler: Sampler,
    cut: Cut,
    /// Workers between calls of `advance`: their memory may be large, so it is not made anew.
    idle: Mutex<Vec<Worker<I>>>,
}

impl<I: Isa> Tasks<I> {
    pub(super) fn new(train: &TrainPlan) -> Self {
        let plan = Plan { track_all: false, ..train.plan.clone() };
        let sampler = train.sampler.clone();
        let cut = Cut::of_tasks(sampler.tasks());
        Self { compiled: Arc::new(Compiled::new(&plan, I::LANES)), sampler, cut, idle: Mutex::default() }
    }
}

impl<I: Isa> Engine for Tasks<I> {
    type Isa = I;
    type Worker<'a> = Worker<I>;

    fn chunks(&self) -> usize {
        self.cut.chunks
    }

    fn share(&self) -> f32 {
        1.0 / self.sampler.tasks() as f32
    }

    fn worker_len(&self) -> usize {
        Task::<I>::memory(&self.compiled, KEPT, true).len
    }

    fn worker(&self) -> Worker<I> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker =
            idle.unwrap_or_else(|| Worker::new(&self.compiled, self.sampler.support + self.sampler.query));
        worker.begun = None;
        worker
    }

    fn give_back(&self, worker: Worker<I>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    fn chunk(
        &self,
        worker: &mut Worker<I>,
        params: &[f32],
        iteration: u64,
        chunk: usize,
        gradient: &mut [f32],
    ) -> Losses {
        if worker.begun != Some(iteration) {
            worker.task.begin(params);
            worker.begun = Some(iteration);
        }
        let plan = &self.compiled.plan;
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let mut losses = Losses::default();
        for (n, (slot, _)) in self.cut.groups(chunk).enumerate() {
            let (at, task, skip) = self.sampler.place(iteration, slot);
            self.sampler.task_into(at, task, &mut worker.x, &mut worker.y);
            let (x, y) = (&worker.x[skip * inputs..], &worker.y[skip * targets..]);
            let query = (&x[plan.support * inputs..], &y[plan.support * targets..]);
            worker.task.fill((x, y), query);
            worker.run(gradient, n == 0, &mut losses);
        }
        losses
    }

    fn pack(&self, params: Vec<f32>) -> Vec<f32> {
        self.compiled.pack(&params)
    }

    fn unpack(&self, packed: Vec<f32>) -> Vec<f32> {
        self.compiled.unpack(&packed)
    }
}

/// Support and query points of a given task.
fn points(tasks: &TaskBatch, task: usize) -> [(&[f32], &[f32]); 2] {
    let of = |all: &'_ [f32], width: usize| -> std::ops::Range<usize> {
        debug_assert!((task + 1) * width <= all.len());
        task * width..(task + 1) * width
    };
    let (s, q) = (tasks.support, tasks.query);
    [
        (
            &tasks.support_x[of(&tasks.support_x, s * tasks.inputs)],
            &tasks.support_y[of(&tasks.support_y, s * tasks.targets)],
        ),
        (
            &tasks.query_x[of(&tasks.query_x, q * tasks.inputs)],
            &tasks.query_y[of(&tasks.query_y, q * tasks.targets)],
        ),
    ]
}

/// The meta-gradient of given tasks, through the chunks that training runs, one after the other.
pub(in super::super) fn meta_gradient<I: Isa>(plan: &Plan, params: &[f32], tasks: &TaskBatch) -> MetaOutput {
    let compiled = Arc::new(Compiled::new(plan, I::LANES));
    let p = plan.model.param_count();
    let mut worker = Worker::<I>::new(&compiled, 0);
    worker.task.begin(&compiled.pack(params));
    let mut out = MetaOutput::default();
    let share = 1.0 / tasks.tasks as f32;
    let mut gradient = vec![0.0; compiled.meta_len()];
    let mut chunk_sum = gradient.clone();
    let cut = Cut::of_tasks(tasks.tasks);
    for chunk in 0..cut.chunks {
        let mut losses = Losses::default();
        for (n, (task, _)) in cut.groups(chunk).enumerate() {
            let [support, query] = points(tasks, task);
            worker.task.fill(support, query);
            worker.run(&mut chunk_sum, n == 0, &mut losses);
            out.query_loss.extend(&worker.losses.query);
            out.support_loss.extend(&worker.losses.support);
            if plan.track_all {
                out.fast.resize(out.fast.len() + p, 0.0);
                let start = out.fast.len() - p;
                worker.task.fast_weights(&mut out.fast[start..]);
            }
        }
        out.meta_loss += losses.query * share;
        for (sum, g) in gradient.iter_mut().zip(&chunk_sum) {
            *sum += g * share;
        }
    }
    out.gradient = compiled.unpack(&gradient);
    out
}

/// Query losses of θ_0 … θ_K of every task, and predictions if they are asked for.
pub(in super::super) fn evaluate<I: Isa>(
    plan: &Plan,
    theta: &[f32],
    tasks: &TaskBatch,
    threads: usize,
    predictions: bool,
) -> Evaluation {
    let compiled = Arc::new(Compiled::new(plan, I::LANES));
    let packed = compiled.pack(theta);
    let (steps, rows) = (plan.steps, tasks.query * plan.model.outputs());
    let all = Mutex::new(Evaluation {
        query_loss: vec![0.0; tasks.tasks * (steps + 1)],
        predictions: predictions.then(|| vec![0.0; (steps + 1) * tasks.tasks * rows]),
    });
    let work = |thread: usize| {
        let task = Task::<I>::new(compiled.clone(), false);
        task.begin(&packed);
        let mut room = vec![0.0; if predictions { rows } else { 0 }];
        for n in (thread..tasks.tasks).step_by(threads) {
            let [support, query] = points(tasks, n);
            task.fill(support, query);
            for j in 0..=steps {
                let loss = task.query_loss(j);
                task.predictions(&mut room);
                // A poisoned lock means that another thread panicked, and this one's results are not wanted.
                let Ok(mut all) = all.lock() else { return };
                all.query_loss[n * (steps + 1) + j] = loss;
                if let Some(predictions) = &mut all.predictions {
                    predictions[(j * tasks.tasks + n) * rows..][..rows].copy_from_slice(&room);
                }
                drop(all);
                if j < steps {
                    task.adapt(j, j + 1 < steps);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let work = &work;
        for thread in 1..threads.min(tasks.tasks) {
            scope.spawn(move || work(thread));
        }
        work(0);
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}
