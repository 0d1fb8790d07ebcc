//! The whole inner loop of one task: its memory, its order of passes. The passes are in `passes` and `tangent`.

use super::super::arena::Arena;
use super::super::kernels::Isa;
use super::compiled::Compiled;
use super::memory::{KEPT, Memory, Set};
use super::passes::Sink;
use super::program::{Op, Product};
use super::sweeps::{SubtractDot, Transpose, Update};
use crate::meta::{MetaGradient, RateShape};
use std::marker::PhantomData;
use std::sync::Arc;

/// What one thread owns: memory that is used again for every task.
pub(super) struct Task<I> {
    pub(super) compiled: Arc<Compiled>,
    pub(super) memory: Memory,
    pub(super) arena: Arena,
    isa: PhantomData<I>,
}

/// Losses of a task.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskLosses {
    /// At θ_0 … θ_K; 0 where it was not asked for.
    pub(super) query: Vec<f32>,
    pub(super) support: Vec<f32>,
}

impl<I: Isa> Task<I> {
    /// Allocates the memory of meta-gradients, or of losses alone.
    pub(super) fn new(compiled: Arc<Compiled>, meta: bool) -> Self {
        Self::keeping(KEPT, compiled, meta)
    }

    /// Where everything lies.
    pub(super) fn memory(compiled: &Compiled, kept: usize, meta: bool) -> Memory {
        Memory::new(&compiled.plan, &compiled.program, compiled.rate_len(), (I::LANES, kept), meta)
    }

    /// The same with another bound on what support passes leave behind.
    pub(super) fn keeping(kept: usize, compiled: Arc<Compiled>, meta: bool) -> Self {
        let memory = Self::memory(&compiled, kept, meta);
        let (megabytes, kept) = ((memory.len * 4) >> 20, memory.support.len());
        tracing::debug!(
            lanes = I::LANES,
            megabytes,
            kept,
            "memory of a task on the CPU, support passes kept"
        );
        let arena = Arena::zeros(memory.len);
        let task = Self { compiled, memory, arena, isa: PhantomData };
        if !task.compiled.plan.rates.learned {
            task.put(task.memory.rates, &task.compiled.fixed_rates());
        }
        task
    }

    /// Takes packed meta-parameters, which all tasks up to the next call start from.
    pub(super) fn begin(&self, params: &[f32]) {
        let (theta, rates) = params.split_at(self.compiled.program.len);
        self.put(self.memory.theta[0], theta);
        self.put(self.memory.rates, rates);
        self.transpose(self.memory.theta[0], self.memory.transposed[0], false);
    }

    /// Takes the points of the next task: `[points, inputs]` and `[points, targets]`.
    pub(super) fn fill(&self, support: (&[f32], &[f32]), query: (&[f32], &[f32])) {
        let program = &self.compiled.program;
        let (inputs, len) = (self.compiled.plan.model.inputs(), program.nodes[0].len());
        let sets = self.memory.support.first().map(|set| (set, support));
        for (set, (x, y)) in sets.into_iter().chain([(&self.memory.query, query)]) {
            for (point, x) in x.chunks_exact(inputs).take(set.points).enumerate() {
                program.load(x, self.arena.slice_mut(set.act[0] + point * len, len));
            }
            self.put(set.labels, &y[..set.points * self.compiled.plan.targets()]);
        }
    }

    /// Runs the task whose points were filled in: losses into `losses`, the meta-gradient into `v` and, of
    /// learned rates, added to `rates_out`.
    pub(super) fn run(&self, losses: &mut TaskLosses, rates_out: &mut [f32]) {
        let plan = &self.compiled.plan;
        let steps = plan.steps;
        for j in 0..steps {
            losses.support[j] = self.adapt(j, true);
            if plan.track_all && plan.loss_weights[j] == 0.0 {
                losses.query[j] = self.query_loss(j);
            }
        }
        if plan.track_all && plan.loss_weights[steps] == 0.0 {
            losses.query[steps] = self.query_loss(steps);
        }
        if plan.order == MetaGradient::Displacement {
            for j in (0..=steps).filter(|&j| plan.loss_weights[j] != 0.0) {
                losses.query[j] = self.query_loss(j);
            }
            return self.displacement();
        }
        let second = plan.order == MetaGradient::SecondOrder
            && self.compiled.lowest_adapted < self.compiled.program.ops.len();
        if self.compiled.program.has_norm_sets() {
            // The last step's pass sets its own scales and shifts only.
            self.arena.fill(self.memory.v, self.compiled.program.len, 0.0);
        }
        // Whether `v` is empty, and whether its weights are transposed as they are.
        let (mut first, mut transposed) = (true, false);
        for j in (0..=steps).rev() {
            if j < steps && !first {
                if plan.rates.learned {
                    match plan.inner.is_plain() {
                        true => self.rate_gradient(j, rates_out),
                        false => self.inner_rate_gradient(j, rates_out),
                    }
                }
                if second {
                    if self.memory.support.len() == 1 && j + 1 < steps {
                        self.support_pass(j, &Sink::nowhere());
                    }
                    self.direction(j, transposed);
                    self.tangent(j);
                    transposed = false;
                }
            }
            if plan.loss_weights[j] != 0.0 {
                let set = &self.memory.query;
                self.forward(set, j);
                losses.query[j] = self.loss(set, plan.loss_weights[j] as f32);
                let v = self.ptr(self.memory.v);
                let base = if first { std::ptr::null() } else { v.cast_const() };
                transposed = second && j > 0 && self.one_direction();
                let to = transposed.then_some(self.memory.u_transposed);
                let sink = Sink::new(v, base, 1.0).transposing(to);
                self.backward(set, j, self.compiled.program.lowest, &sink);
                first = false;
            }
        }
        if first {
            self.arena.fill(self.memory.v, self.compiled.program.len, 0.0);
        }
    }

    /// The query loss at θ_j alone.
    pub(super) fn query_loss(&self, j: usize) -> f32 {
        self.forward(&self.memory.query, j);
        self.loss(&self.memory.query, 0.0)
    }

    /// One inner step: support pass and update; returns the loss. The transposed weights are made if anything
    /// `follows` that goes backward through them.
    pub(super) fn adapt(&self, j: usize, follows: bool) -> f32 {
        let (plan, memory, program) = (&self.compiled.plan, &self.memory, &self.compiled.program);
        let (to, from) = (self.ptr(memory.theta[j + 1]), self.ptr(memory.theta[j]));
        if memory.gradient.is_empty() {
            // One rate a block: gradients become the next weights as they are summed.
            let transposed = follows.then_some(memory.transposed[j + 1]);
            self.support_pass(j, &Sink::update(to, from, j).transposing(transposed))
        } else {
            let gradient = self.ptr(memory.gradient[j % memory.gradient.len()]);
            let loss = self.support_pass(j, &Sink::adapted(gradient));
            if !plan.inner.is_plain() {
                self.inner_step(j);
            }
            let plain = |(block, _): &(usize, _)| plan.adapts(*block) && plan.inner.is_plain();
            for (block, place) in program.blocks.iter().enumerate().filter(plain) {
                let (len, at) = (place.end - place.weight, place.weight);
                let (scale, rate) = self.rate(j, block);
                let [c, x, y] = [to, self.fast(j, block), gradient].map(|all| all.wrapping_add(at));
                // SAFETY: a block of packed vectors.
                unsafe { I::run(Update { c, x, scale: -scale, rate, y, len }) };
            }
            if follows {
                self.transpose(memory.theta[j + 1], memory.transposed[j + 1], true);
            }
            loss
        }
    }

    fn support_pass(&self, j: usize, sink: &Sink) -> f32 {
        let set = self.support(j);
        self.forward(set, j);
        let loss = self.loss(set, 1.0);
        self.backward(set, j, self.compiled.lowest_adapted, sink);
        loss
    }

    /// Whether `u` is `v` but for a factor, on adapted blocks: then `v` serves for it.
    fn one_direction(&self) -> bool {
        self.compiled.plan.rates.shape == RateShape::One && self.compiled.plan.inner.is_plain()
    }

    /// Packed direction `u` of tangents, and what the tangents are to be multiplied by.
    pub(super) fn turned(&self, j: usize) -> (*mut f32, f32) {
        match self.one_direction() {
            true => (self.ptr(self.memory.v), self.rate(j, 0).0),
            false => (self.ptr(self.memory.u), 1.0),
        }
    }

    /// Makes `u = α_j ⊙ M ⊙ v`, and its weights transposed unless they are.
    fn direction(&self, j: usize, transposed: bool) {
        let (plan, memory, program) = (&self.compiled.plan, &self.memory, &self.compiled.program);
        if self.one_direction() {
            if !transposed {
                self.transpose(memory.v, memory.u_transposed, true);
            }
            return;
        }
        if !plan.inner.is_plain() {
            self.inner_direction(j);
        }
        let plain = |(block, _): &(usize, _)| plan.adapts(*block) && plan.inner.is_plain();
        for (block, place) in program.blocks.iter().enumerate().filter(plain) {
            let (len, at) = (place.end - place.weight, place.weight);
            let (scale, rate) = self.rate(j, block);
            let (c, y) = (self.ptr(memory.u + at), self.ptr(memory.v + at));
            // SAFETY: a block of packed vectors.
            unsafe { I::run(Update { c, x: std::ptr::null(), scale, rate, y, len }) };
        }
        self.transpose(memory.u, memory.u_transposed, true);
    }

    /// `∂/∂α_j = − M ⊙ ∇L_s(θ_j) ⊙ v_{j+1}`, added to `out`.
    fn rate_gradient(&self, j: usize, out: &mut [f32]) {
        let (plan, memory, program) = (&self.compiled.plan, &self.memory, &self.compiled.program);
        for (block, place) in program.blocks.iter().enumerate().filter(|(block, _)| plan.adapts(*block)) {
            let (len, at) = (place.end - place.weight, place.weight);
            let out = &mut out[self.compiled.rate_index(j, block)..];
            let [x, y] = [memory.gradient[j], memory.v].map(|all| self.ptr(all + at).cast_const());
            // SAFETY: a block of packed vectors; the rates' part is as long where there is one a parameter.
            unsafe {
                match plan.rates.shape {
                    RateShape::One | RateShape::PerLayerStep => {
                        I::run(SubtractDot { c: out.as_mut_ptr(), x, y, len })
                    }
                    _ => I::sub_mul(out[..len].as_mut_ptr(), x, y, len / I::LANES),
                }
            }
        }
    }

    /// The rate of a block as one number, and as numbers for each parameter.
    pub(super) fn rate(&self, j: usize, block: usize) -> (f32, *const f32) {
        let rate = self.ptr(self.memory.rates + self.compiled.rate_index(j, block)).cast_const();
        match self.compiled.plan.per_parameter_rates() {
            true => (1.0, rate),
            // SAFETY: a rate's index is below their count.
            false => (unsafe { *rate }, std::ptr::null()),
        }
    }

    /// Transposes the weights that backward passes multiply by; those of adapted blocks, or of all.
    fn transpose(&self, from: usize, to: usize, adapted: bool) {
        let program = &self.compiled.program;
        for (i, op) in program.ops.iter().enumerate() {
            let Op::Product(product) = op else { continue };
            let wanted = !adapted || self.compiled.plan.adapts(product.block);
            if wanted && i > program.lowest {
                let weight = program.blocks[product.block].weight;
                self.transpose_one(product, self.ptr(from + weight), self.ptr(to));
            }
        }
    }

    /// Transposes one weight to its place among the transposed ones.
    pub(super) fn transpose_one(&self, product: &Product, from: *const f32, to: *mut f32) {
        let (place, geometry) = (self.compiled.program.blocks[product.block], &product.geometry);
        let kernel = Transpose {
            from,
            to: to.wrapping_add(place.transposed),
            taps: geometry.kernel[0] * geometry.kernel[1],
            rows: geometry.inputs,
            columns: geometry.outputs,
            wide: geometry.wide,
            pitch: geometry.pitch,
        };
        // SAFETY: a weight, and room for its transposed.
        unsafe { I::run(kernel) };
    }

    /// The support set of step `j`.
    pub(super) fn support(&self, j: usize) -> &Set {
        &self.memory.support[j % self.memory.support.len()]
    }

    /// Packed parameters that hold a block's values at θ_j: θ_0 if it is not adapted.
    pub(super) fn fast(&self, j: usize, block: usize) -> *mut f32 {
        self.ptr(self.memory.theta[if self.compiled.plan.adapts(block) { j } else { 0 }])
    }

    /// θ_K in the model's order.
    pub(super) fn fast_weights(&self, out: &mut [f32]) {
        let (program, steps) = (&self.compiled.program, self.compiled.plan.steps);
        let mut packed = self.arena.slice(self.memory.theta[0], program.len).to_vec();
        for (block, place) in program.blocks.iter().enumerate() {
            if self.compiled.plan.adapts(block) {
                let at = self.memory.theta[steps] + place.weight;
                packed[place.weight..place.end]
                    .copy_from_slice(self.arena.slice(at, place.end - place.weight));
            }
        }
        program.unpack(&packed, out);
    }

    /// The meta-gradient of the task that ran last, packed.
    pub(super) fn gradient(&self) -> &[f32] {
        self.arena.slice(self.memory.v, self.compiled.program.len)
    }

    fn put(&self, at: usize, values: &[f32]) {
        self.arena.slice_mut(at, values.len()).copy_from_slice(values);
    }

    /// The address of a float.
    pub(super) fn ptr(&self, at: usize) -> *mut f32 {
        self.arena.ptr(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kernels::Basic;
    use super::*;
    use crate::meta::{Loss, Plan, Rates};
    use crate::model::{Init, Layer, Model, Shape};

    #[test]
    fn support_passes_computed_again_give_the_same_bytes() {
        let conv = Layer::Conv2d { outputs: 5, kernel: 3, stride: 2, padding: 1 };
        let layers = [conv, Layer::BatchNorm { eps: 1e-5, affine: true }, Layer::Relu, Layer::Flatten];
        let layers = [&layers[..], &[Layer::Linear { outputs: 3 }]].concat();
        let model = Model::of(Shape::Image { channels: 2, height: 5, width: 4 }, &layers).unwrap();
        let theta = Init::Torch.draw(&model, 1);
        let plan = Plan::new(model, Loss::CrossEntropy, 3, 4, 3, Rates::fixed(0.1)).unwrap();
        let compiled = Arc::new(Compiled::new(&plan, Basic::LANES));
        let x: Vec<f32> = (0..4 * 40).map(|i| ((i * 37 + 11) % 101) as f32 * 0.02 - 1.0).collect();
        let y = [0.0, 2.0, 1.0, 1.0];
        let run = |kept| {
            let task = Task::<Basic>::keeping(kept, compiled.clone(), true);
            task.begin(&compiled.pack(&theta));
            task.fill((&x, &y), (&x, &y));
            let mut losses = TaskLosses { query: vec![0.0; 4], support: vec![0.0; 3] };
            task.run(&mut losses, &mut []);
            (task.memory.support.len(), task.gradient().to_vec(), losses.query)
        };
        let (all, one) = (run(usize::MAX), run(0));
        assert_eq!((all.0, one.0), (3, 1));
        assert!(all.1 == one.1 && all.2 == one.2 && all.1.iter().any(|&g| g != 0.0));
    }
}
