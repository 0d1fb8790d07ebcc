//! One task at a time: its memory, its points, what it comes to.

use super::super::arena::Arena;
use super::super::threads::Barrier;
use super::graph::Graph;
use super::lower::Lowered;
use super::memory::{Memory, constants};
use super::target::Cpu;
use crate::meta::Plan;
use crate::program::{Cut, Flow, Program, Wanted};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place};
use std::sync::Arc;

/// A task's memory is kept below so many floats, where support passes computed again or points taken in chunks can do so.
const MOST: usize = 32 << 20;
/// Fewest points of a chunk.
const CHUNK: usize = 64;

/// What threads share: a plan, laid out and lowered.
pub(super) struct Lowerings<I> {
    pub(super) graph: Graph,
    pub(super) memory: Memory,
    lowered: Lowered<I>,
    /// How a task is cut.
    pub(super) cut: Cut,
}

impl<I: Isa> Lowerings<I> {
    /// In at most so many bytes, or in as few as can be; for so many threads that share a task.
    pub(super) fn new(
        plan: &Plan,
        wanted: Wanted,
        weighted: bool,
        bytes: Option<u64>,
        threads: usize,
    ) -> Self {
        let graph = Graph::new(plan, &Flow::new(plan, &Cpu), I::LANES);
        let (program, memory, cut) = fitting(&graph, wanted, weighted, (I::LANES, threads), most(bytes));
        let megabytes = (memory.len * 4) >> 20;
        tracing::debug!(lanes = I::LANES, megabytes, calls = program.instrs.len(), "a task on the CPU");
        Self::of(graph, &program, memory, wanted, cut)
    }

    fn of(graph: Graph, program: &Program, memory: Memory, wanted: Wanted, cut: Cut) -> Self {
        let lowered = Lowered::new(&graph, program, &memory, wanted);
        Self { graph, memory, lowered, cut }
    }

    /// Floats of a task.
    pub(super) fn floats(plan: &Plan, wanted: Wanted, bytes: Option<u64>) -> usize {
        let graph = Graph::new(plan, &Flow::new(plan, &Cpu), I::LANES);
        fitting(&graph, wanted, false, (I::LANES, 1), most(bytes)).1.len
    }
}

/// Most floats of a task.
fn most(bytes: Option<u64>) -> usize {
    bytes.map_or(MOST, |bytes| usize::try_from(bytes / 4).unwrap_or(usize::MAX))
}

/// The program whose memory is below `most`, or as small as can be, and how it is cut.
fn fitting(
    graph: &Graph,
    wanted: Wanted,
    weighted: bool,
    lanes: (usize, usize),
    most: usize,
) -> (Program, Memory, Cut) {
    let with = |cut: Cut| {
        let program = Program::new(&graph.plan, wanted, &Cpu, cut);
        let memory = Memory::new(graph, &program, wanted, weighted, lanes);
        (program, memory, cut)
    };
    let mut found = with(Cut::WHOLE);
    if found.1.len > most {
        found = with(Cut { recompute: true, ..Cut::WHOLE });
    }
    let mut chunk = graph.plan.support.max(graph.plan.query).div_ceil(2);
    while found.1.len > most && chunk >= CHUNK {
        let smaller = with(Cut { recompute: true, chunk });
        if smaller.1.len >= found.1.len {
            break;
        }
        (found, chunk) = (smaller, chunk.div_ceil(2));
    }
    found
}

/// A task's memory as the threads have it that share the task.
struct Shared(*mut f32);

// SAFETY: shares of a call touch nothing of each other's, and barriers are between calls.
unsafe impl Sync for Shared {}

impl Shared {
    fn address(&self) -> *mut f32 {
        self.0
    }
}

/// What one thread owns: memory that is used again for every task.
pub(super) struct Task<I> {
    pub(super) shared: Arc<Lowerings<I>>,
    arena: Arena,
    /// Of the query points: where each was before those that count were put first.
    order: Vec<usize>,
}

/// Points of a set.
#[derive(Clone, Copy)]
pub(super) struct Points<'a> {
    /// `[points, inputs]`.
    pub(super) x: &'a [f32],
    /// `[points, targets]`.
    pub(super) y: &'a [f32],
    /// How much each counts; all alike without.
    pub(super) weights: Option<&'a [f32]>,
}

impl Points<'_> {
    /// The points in the order in which they are computed: those that count first.
    fn order(&self, points: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..points).collect();
        if let Some(weights) = self.weights {
            order.sort_by_key(|&point| weights[point] <= 0.0);
        }
        order
    }
}

impl<I: Isa> Task<I> {
    pub(super) fn new(shared: Arc<Lowerings<I>>) -> Self {
        let (graph, memory) = (&shared.graph, &shared.memory);
        let arena = Arena::zeros(memory.len);
        let put = |at: usize, values: &[f32]| arena.slice_mut(at, values.len()).copy_from_slice(values);
        if !graph.plan.rates.learned {
            put(memory.rates, &graph.fixed_rates());
        }
        for ((of, node), place) in graph.plan.model.nodes().iter().zip(&graph.nodes).zip(&memory.constants) {
            if let Some(node) = node.as_ref().filter(|_| *place != Place::NOWHERE) {
                put(place.offset(), &constants(&of.op, node));
            }
        }
        let order = (0..graph.plan.query).collect();
        Self { shared, arena, order }
    }

    /// Takes packed meta-parameters, which all tasks up to the next call start from.
    pub(super) fn begin(&self, params: &[f32]) {
        let (graph, memory) = (&self.shared.graph, &self.shared.memory);
        let (theta, rates) = params.split_at(graph.len);
        self.arena.slice_mut(memory.theta_0(), theta.len()).copy_from_slice(theta);
        self.arena.slice_mut(memory.rates, rates.len()).copy_from_slice(rates);
        self.call(&self.shared.lowered.begin);
    }

    /// Runs calls on as many threads as share them.
    fn call(&self, calls: &Calls<I>) {
        let (barrier, memory) = (Barrier::new(calls.threads()), Shared(self.arena.ptr(0)));
        let run = |thread: usize| {
            let _guard = barrier.guard();
            // SAFETY: places of the memory that the arena was made for; the backend checked the instruction set.
            unsafe { calls.run(thread, memory.address(), || barrier.wait()) };
        };
        if calls.threads() == 1 {
            return run(0);
        }
        std::thread::scope(|scope| {
            let run = &run;
            for thread in 1..calls.threads() {
                scope.spawn(move || run(thread));
            }
            run(0);
        });
    }

    /// Takes the points of the next task, support and query, and runs it.
    pub(super) fn run(&mut self, sets: [Points<'_>; 2]) {
        let plan = &self.shared.graph.plan;
        for (set, points) in [plan.support, plan.query].into_iter().enumerate() {
            self.fill(set, points, sets[set]);
        }
        if sets[1].weights.is_some() {
            self.order = sets[1].order(plan.query);
        }
        self.call(&self.shared.lowered.task);
    }

    fn fill(&self, set: usize, points: usize, of: Points<'_>) {
        let (graph, memory, plan) = (&self.shared.graph, &self.shared.memory, &self.shared.graph.plan);
        let (inputs, row, targets) = (plan.model.inputs(), graph.layouts[0].len(), plan.targets());
        let Some((weights, shares)) = of.weights.zip(memory.shares) else {
            for (point, x) in of.x.chunks_exact(inputs).take(points).enumerate() {
                graph.load(x, self.arena.slice_mut(memory.inputs[set] + point * row, row));
            }
            let y = &of.y[..points * targets];
            self.arena.slice_mut(memory.labels[set], y.len()).copy_from_slice(y);
            return;
        };
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let live = weights.iter().filter(|weight| **weight > 0.0).count();
        self.arena.slice_mut(memory.live[set], 1)[0] = live as f32;
        for (to, from) in of.order(points).into_iter().enumerate() {
            // What does not count may be anything.
            let x = if to < live { &of.x[from * inputs..][..inputs] } else { &[] };
            graph.load(x, self.arena.slice_mut(memory.inputs[set] + to * row, row));
            let labels = self.arena.slice_mut(memory.labels[set] + to * targets, targets);
            match to < live {
                true => labels.copy_from_slice(&of.y[from * targets..][..targets]),
                false => labels.fill(0.0),
            }
            let share = (f64::from(weights[from]) / total) as f32;
            self.arena.slice_mut(shares[set] + to, 1)[0] = share;
        }
    }

    /// The meta-gradient of the task that ran last, packed.
    pub(super) fn gradient(&self) -> &[f32] {
        self.arena.slice(self.shared.memory.v, self.shared.graph.meta_len())
    }

    /// Its query losses at θ_0 … θ_K; 0 where they were not wanted.
    pub(super) fn query_losses(&self) -> &[f32] {
        self.arena.slice(self.shared.memory.query_loss, self.shared.graph.plan.steps + 1)
    }

    /// Its support losses at θ_0 … θ_{K−1}.
    pub(super) fn support_losses(&self) -> &[f32] {
        self.arena.slice(self.shared.memory.support_loss, self.shared.graph.plan.steps)
    }

    /// Its predictions at θ_`step`, `[query, outputs]`.
    pub(super) fn predictions(&self, step: usize, to: &mut [f32]) {
        let plan = &self.shared.graph.plan;
        let width = plan.model.outputs();
        for (row, &point) in self.order.iter().enumerate() {
            let at = self.shared.memory.predictions + (step * plan.query + row) * width;
            to[point * width..][..width].copy_from_slice(self.arena.slice(at, width));
        }
    }

    /// Its θ_K in the model's order.
    pub(super) fn fast_weights(&self, out: &mut [f32]) {
        let (graph, memory) = (&self.shared.graph, &self.shared.memory);
        let mut packed = vec![0.0; graph.len];
        for (param, place) in graph.params.iter().enumerate() {
            let at = memory.theta(graph, graph.plan.steps, param).offset();
            packed[place.at..][..place.len()].copy_from_slice(self.arena.slice(at, place.len()));
        }
        graph.unpack_params(&packed, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Loss, Rates};
    use crate::model::{Init, Model, Op, Shape};
    use crate::ops::batch_norm::BatchNorm;
    use crate::ops::conv2d::Conv2d;
    use crate::ops::elementwise::Function;
    use crate::ops::flatten::Flatten;
    use crate::ops::global_avg_pool2d::GlobalAvgPool2d;
    use crate::ops::layer_norm::LayerNorm;
    use crate::ops::linear::Linear;
    use crate::simd::Basic;

    const GRADIENT: Wanted = Wanted { gradient: true, all_losses: false, predictions: false, fast: false };

    /// Gradient and query losses of one task in a memory of at most so many floats if that can be, and that memory.
    fn run(plan: &Plan, most: usize) -> (Vec<f32>, Vec<f32>, usize) {
        run_on(plan, most, 1)
    }

    fn run_on(plan: &Plan, most: usize, threads: usize) -> (Vec<f32>, Vec<f32>, usize) {
        let graph = Graph::new(plan, &Flow::new(plan, &Cpu), Basic::LANES);
        let (program, memory, cut) = fitting(&graph, GRADIENT, false, (Basic::LANES, threads), most);
        let len = memory.len;
        let theta = graph.pack(&plan.meta_params(&Init::Torch.draw(&plan.model, 1)));
        let shared = Lowerings::of(graph, &program, memory, GRADIENT, cut);
        let mut task = Task::<Basic>::new(Arc::new(shared));
        let wave = |len: usize| (0..len).map(|i| ((i * 37 + 11) % 101) as f32 * 0.02 - 1.0);
        let points = plan.support.max(plan.query);
        let x: Vec<f32> = wave(points * plan.model.inputs()).collect();
        let y: Vec<f32> = wave(points * plan.targets()).map(|y| (y + 1.0).floor()).collect();
        task.begin(&theta);
        task.run([Points { x: &x, y: &y, weights: None }; 2]);
        (task.gradient().to_vec(), task.query_losses().to_vec(), len)
    }

    #[test]
    fn support_passes_computed_again_give_the_same_bytes() {
        let layers: [Op; 5] = [
            Conv2d::square(5, 3, 2, 1).into(),
            BatchNorm::default().into(),
            Function::Tanh {}.into(),
            Flatten {}.into(),
            Linear::to(3).into(),
        ];
        let model = Model::sequential(Shape::Image { channels: 2, height: 5, width: 4 }, &layers).unwrap();
        let plan = Plan::new(model, Loss::cross_entropy(), 30, 40, 3, Rates::fixed(0.1)).unwrap();
        let (all, few) = (run(&plan, usize::MAX), run(&plan, 0));
        assert!(few.2 < all.2 * 3 / 4, "{} of {}", few.2, all.2);
        assert!(all.0 == few.0 && all.1 == few.1 && all.0.iter().any(|&g| g != 0.0));
    }

    /// Every op that is cut, at sizes that shares divide and do not.
    #[test]
    fn threads_that_share_a_task_give_the_same_bytes() {
        let conv = Conv2d::square(12, 3, 1, 1);
        let layers: [Op; 14] = [
            conv.into(),
            BatchNorm::default().into(),
            Function::Relu {}.into(),
            Conv2d { groups: 12, ..conv }.into(),
            Function::LeakyRelu { negative_slope: 0.1 }.into(),
            Conv2d { groups: 3, ..conv }.into(),
            Op::max_pool2d(2, 2),
            Function::Relu {}.into(),
            Conv2d { outputs: 21, groups: 3, ..conv }.into(),
            LayerNorm::default().into(),
            Conv2d { outputs: 8, groups: 1, ..conv }.into(),
            BatchNorm::default().into(),
            GlobalAvgPool2d {}.into(),
            Linear::to(3).into(),
        ];
        let model = Model::sequential(Shape::Image { channels: 2, height: 6, width: 5 }, &layers).unwrap();
        for (support, query, adapted) in [(4, 6, true), (3, 1, true), (3, 5, false)] {
            let mut plan =
                Plan::new(model.clone(), Loss::cross_entropy(), support, query, 2, Rates::fixed(0.1))
                    .unwrap();
            plan.adapted[0] = adapted;
            let one = run_on(&plan, usize::MAX, 1);
            assert!(one.0.iter().any(|&g| g != 0.0));
            for threads in [2, 3, 5] {
                let some = run_on(&plan, usize::MAX, threads);
                assert!(one.0 == some.0 && one.1 == some.1, "{threads} threads, {support} + {query}");
            }
        }
    }

    #[test]
    fn points_in_chunks_give_the_same_gradient() {
        let layers: [Op; 3] = [Linear::to(9).into(), Function::Tanh {}.into(), Linear::to(3).into()];
        let model = Model::sequential(Shape::Vector(3), &layers).unwrap();
        for steps in [1, 3] {
            let plan = Plan::new(model.clone(), Loss::mse(), 600, 700, steps, Rates::fixed(0.1)).unwrap();
            let (all, few) = (run(&plan, usize::MAX), run(&plan, 0));
            assert!(few.2 < all.2 / 2, "{} of {}", few.2, all.2);
            for (all, few) in [(&all.0, &few.0), (&all.1, &few.1)] {
                let apart: f32 = all.iter().zip(few).map(|(a, f)| (a - f) * (a - f)).sum();
                let size: f32 = all.iter().map(|a| a * a).sum();
                assert!(apart.sqrt() <= 1e-5 * size.sqrt(), "{steps} steps: {apart} of {size}");
            }
        }
    }
}
