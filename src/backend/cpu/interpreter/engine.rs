//! Batches of tasks through the engine: trainings, given tasks, evaluation.

use super::super::cut::Cut;
use super::super::engine::{Engine, shared_bytes};
use super::task::{Lowerings, Points, Task};
use crate::meta::{Evaluation, Losses, Plan, Rates, TrainPlan};
use crate::program::Wanted;
use crate::simd::Isa;
use crate::task::{Sampler, TaskBatch};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A meta-gradient and nothing else.
const GRADIENT: Wanted = Wanted { gradient: true, all_losses: false, predictions: false, fast: false };
/// The losses along adaptation.
const LOSSES: Wanted = Wanted { gradient: false, all_losses: true, predictions: false, fast: false };

/// Floats of a task from which on threads may share it: of a smaller one, waiting for each other could take longer than it gains.
pub(super) const SHARED: usize = 4 << 20;

/// What one thread owns.
pub(super) struct Worker<I> {
    pub(super) task: Task<I>,
    /// Room for the points of a task.
    x: Vec<f32>,
    y: Vec<f32>,
    /// The meta-iteration, or the call, whose parameters the task has.
    begun: Option<u64>,
}

/// Floats of a task that is adapted, without a gradient of the second order.
pub(in crate::backend::cpu) fn evaluation_len<I: Isa>(plan: &Plan, memory: Option<u64>) -> usize {
    Lowerings::<I>::floats(plan, LOSSES, memory)
}

impl<I: Isa> Worker<I> {
    pub(super) fn new(shared: &Arc<Lowerings<I>>, points: usize) -> Self {
        let plan = &shared.graph.plan;
        Self {
            task: Task::new(shared.clone()),
            x: vec![0.0; points * plan.model.inputs()],
            y: vec![0.0; points * plan.targets()],
            begun: None,
        }
    }

    /// Takes packed meta-parameters, unless it has those of this turn.
    pub(super) fn begin(&mut self, params: &[f32], turn: u64) {
        if self.begun != Some(turn) {
            self.task.begin(params);
            self.begun = Some(turn);
        }
    }

    /// Adds the gradient of the task that ran to `gradient`, or puts it there if it is the `first`; adds its losses.
    pub(super) fn collect(&self, gradient: &mut [f32], first: bool, losses: &mut Losses) {
        if first {
            gradient.copy_from_slice(self.task.gradient());
        } else {
            for (sum, v) in gradient.iter_mut().zip(self.task.gradient()) {
                *sum += v;
            }
        }
        let weights = &self.task.shared.graph.plan.loss_weights;
        let query = self.task.query_losses().iter().zip(weights);
        for (loss, &weight) in query.filter(|(_, weight)| **weight != 0.0) {
            losses.query += weight as f32 * loss;
        }
        losses.support += self.task.support_losses().first().copied().unwrap_or(0.0);
    }
}

/// The engine of a training.
pub(super) struct Tasks<I> {
    shared: Arc<Lowerings<I>>,
    sampler: Sampler,
    cut: Cut,
    /// Workers between calls of `advance`: their memory may be large, so it is not made anew.
    idle: Mutex<Vec<Worker<I>>>,
}

impl<I: Isa> Tasks<I> {
    /// With at most so many bytes for all threads, or as few as can be; so many members share the tasks.
    pub(super) fn new(train: &TrainPlan, threads: usize, memory: Option<u64>, members: usize) -> Self {
        let plan = Plan { track_all: false, ..train.plan.clone() };
        let sampler = train.sampler.clone();
        let cut = Cut::of_tasks(sampler.tasks());
        let all = memory.map(|all| all.saturating_sub(shared_bytes(cut.chunks, plan.meta_len())));
        let weighted = sampler.weighs();
        let with =
            |bytes: Option<u64>, threads: usize| Lowerings::new(&plan, GRADIENT, weighted, bytes, threads);
        let mut shared = with(all.map(|all| all / threads.min(cut.chunks).max(1) as u64), 1);
        let each = cut.shared_by(members).threads_each(threads.max(1));
        if each > 1 && shared.memory.len >= SHARED {
            let at_once = (threads / each).min(cut.chunks).max(1);
            shared = with(all.map(|all| all / at_once as u64), each);
        }
        Self { shared: Arc::new(shared), sampler, cut, idle: Mutex::default() }
    }

    /// Threads that share each task: 1 where each takes tasks of its own.
    pub(super) fn threads_a_task(&self) -> usize {
        self.shared.memory.threads
    }

    /// How a task is cut, for people.
    pub(super) fn cut_in_words(&self) -> String {
        let (cut, plan) = (self.shared.cut, &self.shared.graph.plan);
        let again = if cut.recompute { ", support passes computed again" } else { "" };
        match cut.chunk < plan.support.max(plan.query) {
            true => format!("{again}, points in chunks of {}", cut.chunk),
            false => again.to_owned(),
        }
    }
}

impl<I: Isa> Engine for Tasks<I> {
    type Isa = I;
    type Worker = Worker<I>;

    fn chunks(&self) -> usize {
        self.cut.chunks
    }

    fn share(&self) -> f32 {
        1.0 / self.sampler.tasks() as f32
    }

    fn worker_len(&self) -> usize {
        self.shared.memory.len
    }

    fn worker(&self) -> Worker<I> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker =
            idle.unwrap_or_else(|| Worker::new(&self.shared, self.sampler.support + self.sampler.query));
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
        worker.begin(params, iteration);
        let plan = &self.shared.graph.plan;
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let mut losses = Losses::default();
        for (n, (slot, _)) in self.cut.groups(chunk).enumerate() {
            let (at, task, skip) = self.sampler.place(iteration, slot);
            self.sampler.task_into(at, task, &mut worker.x, &mut worker.y);
            let weights = self.sampler.weights(at, task);
            let of = |from: usize, points: usize| Points {
                x: &worker.x[from * inputs..],
                y: &worker.y[from * targets..],
                weights: weights.as_ref().map(|all| &all[from..from + points]),
            };
            worker.task.run([of(skip, plan.support), of(skip + plan.support, plan.query)]);
            worker.collect(gradient, n == 0, &mut losses);
        }
        losses
    }

    fn pack(&self, params: Vec<f32>) -> Vec<f32> {
        self.shared.graph.pack(&params)
    }

    fn unpack(&self, packed: Vec<f32>) -> Vec<f32> {
        self.shared.graph.unpack(&packed)
    }

    fn held_rates(&self) -> Option<(Range<usize>, &Rates)> {
        let (graph, rates) = (&self.shared.graph, &self.shared.graph.plan.rates);
        rates.held().map(|_| (graph.len..graph.meta_len(), rates))
    }
}

/// Support and query points of a given task.
pub(super) fn points(tasks: &TaskBatch, task: usize) -> [Points<'_>; 2] {
    fn of(all: &[f32], task: usize, width: usize) -> &[f32] {
        &all[task * width..(task + 1) * width]
    }
    let (s, q) = (tasks.support, tasks.query);
    let weights = tasks.weights.as_ref();
    [
        Points {
            x: of(&tasks.support_x, task, s * tasks.inputs),
            y: of(&tasks.support_y, task, s * tasks.targets),
            weights: weights.map(|all| of(&all.support, task, s)),
        },
        Points {
            x: of(&tasks.query_x, task, q * tasks.inputs),
            y: of(&tasks.query_y, task, q * tasks.targets),
            weights: weights.map(|all| of(&all.query, task, q)),
        },
    ]
}

/// Query losses of θ_0 … θ_K of every task, and predictions if they are asked for.
pub(in super::super) fn evaluate<I: Isa>(
    plan: &Plan,
    theta: &[f32],
    tasks: &TaskBatch,
    (threads, memory): (usize, Option<u64>),
    predictions: bool,
) -> Evaluation {
    let wanted = Wanted { predictions, ..LOSSES };
    let shared = Arc::new(Lowerings::<I>::new(plan, wanted, tasks.weights.is_some(), memory, 1));
    let packed = shared.graph.pack(theta);
    let (steps, rows) = (plan.steps, tasks.query * plan.model.outputs());
    let all = Mutex::new(Evaluation {
        query_loss: vec![0.0; tasks.tasks * (steps + 1)],
        predictions: predictions.then(|| vec![0.0; (steps + 1) * tasks.tasks * rows]),
    });
    let work = |thread: usize| {
        let mut task = Task::<I>::new(shared.clone());
        task.begin(&packed);
        for n in (thread..tasks.tasks).step_by(threads) {
            task.run(points(tasks, n));
            // A poisoned lock means that another thread panicked, and this one's results are not wanted.
            let Ok(mut all) = all.lock() else { return };
            all.query_loss[n * (steps + 1)..][..=steps].copy_from_slice(task.query_losses());
            if let Some(predictions) = &mut all.predictions {
                for j in 0..=steps {
                    task.predictions(j, &mut predictions[(j * tasks.tasks + n) * rows..][..rows]);
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
