//! Where everything of one group of tasks lies, worked out once from the plan.
//!
//! All offsets, strides and counts are in elements; a group holds one vector an element (a lane a task).
//!
//! An adapted linear layer is kept in one of two ways. *Explicit*: the weights of each lane, one copy a step.
//! *Factored*: a gradient of a linear layer over `S` points is a sum of `S` outer products, so
//! `θ_j = θ_0 − Σ_{i<j} α_i dz_i h_iᵀ` is kept as the shared θ_0 and the factors that the passes leave behind
//! anyway, and so is `v`. A product with `θ_j` is then one with the shared θ_0 plus two thin ones:
//! `Σ α_i dz_i (h_i · h)`. Which is cheaper depends on widths, points and steps: [`Mode::choose`] counts.

use super::mode::Mode;
use crate::meta::{MetaGradient, Plan};
use crate::model::Link;

/// A matrix of vectors: first element, row stride, column stride.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mat {
    pub(super) at: usize,
    pub(super) row: usize,
    pub(super) col: usize,
}

impl Mat {
    /// From column `columns` on.
    pub(super) fn skip_cols(self, columns: usize) -> Self {
        Self { at: self.at + columns * self.col, ..self }
    }

    /// From row `rows` on.
    pub(super) fn skip_rows(self, rows: usize) -> Self {
        Self { at: self.at + rows * self.row, ..self }
    }

    /// Transposed.
    pub(super) fn t(self) -> Self {
        Self { at: self.at, row: self.col, col: self.row }
    }
}

/// One linear layer's share of the group's memory.
#[derive(Clone, Debug)]
pub(super) struct LayerLayout {
    pub(super) link: Link,
    pub(super) mode: Mode,
    /// Cotangents `[outputs, columns]`: query slots, tangents of the steps, support of the steps.
    dz: Mat,
    /// Inputs `[inputs, columns]`: query slots, support of the steps, tangents of the steps.
    h: Mat,
    /// Explicit: weights `[outputs, inputs]` then bias `[outputs]`, for steps 1 … K.
    fast: usize,
    /// Explicit: `v`, laid out as the weights.
    pub(super) v: usize,
    /// Factored: for each step the products `h_j · h`, `[rows, support]`, and `dz_j · dz` behind them.
    gram: usize,
    gram_rows: usize,
    /// Input: `Σ_{i<j} α_i dz_i`, `[outputs, support]` for steps 1 … K.
    sums: usize,
    /// With an inner rule beyond plain gradient descent.
    pub(super) ruled: Ruled,
    /// Of a function, `f′` of the query points and of the support points of each step, then `f″` of these.
    slopes: usize,
}

/// What inner rules beyond plain gradient descent need of a layer, arrays laid out as its weights.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ruled {
    /// θ_0 of each lane.
    pub(super) start: usize,
    /// Gradients of the steps; first and second moments of each after them.
    gradient: usize,
    moments: usize,
    /// Steps that are kept.
    slots: usize,
    /// Adjoints of both moments, and the direction of the tangents.
    pub(super) adjoints: usize,
    pub(super) u: usize,
}

/// The memory of one group.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) layers: Vec<LayerLayout>,
    pub(super) support: usize,
    pub(super) query: usize,
    pub(super) steps: usize,
    /// Whether a meta-gradient is wanted, or losses only.
    pub(super) meta: bool,
    pub(super) second: bool,
    /// For each of θ_0 … θ_K, the slot of its query pass in the meta-gradient.
    pub(super) slot: Vec<Option<usize>>,
    pub(super) slots: usize,
    /// First layer that the inner loop adapts: below it tangents are zero.
    pub(super) first_adapted: usize,
    /// Targets `[targets, points]`.
    pub(super) support_y: Mat,
    pub(super) query_y: Mat,
    /// Outputs of query points `[outputs, query]`, and of support points for every step.
    pub(super) query_out: Mat,
    support_out: usize,
    /// Input layer: `x · x + 1` of support against support and query points.
    pub(super) gram_ss: Mat,
    pub(super) gram_sq: Mat,
    /// One vector each: ones, loss weight, a sum.
    pub(super) ones: usize,
    pub(super) weight: usize,
    pub(super) sum: usize,
    /// As large as the widest layer's weights.
    pub(super) scratch: usize,
    /// What clipping by norm multiplied each kept step's gradient by, and the norm.
    clipped: usize,
    /// Steps whose gradients and moments are kept.
    ruled_slots: usize,
    /// Query losses `[steps + 1]`, support losses `[steps]`.
    pub(super) query_loss: usize,
    pub(super) support_loss: usize,
    /// Total vectors.
    pub(super) len: usize,
}

impl Layout {
    /// Lays out a group for a meta-gradient (`meta`) or for losses alone.
    pub(super) fn new(plan: &Plan, meta: bool) -> Self {
        let (support, query, steps) = (plan.support, plan.query, plan.steps);
        let second = meta && plan.order == MetaGradient::SecondOrder && steps > 0;
        // Slots in the order in which the backward sweep meets them; a pass for its loss alone has the last one.
        let mut slot = vec![None; steps + 1];
        let mut slots = 0;
        for j in (0..=steps).rev() {
            // θ_K has one whatever its weight: its pass is where `v` begins.
            if meta && (plan.loss_weights[j] != 0.0 || j == steps) {
                slot[j] = Some(slots);
                slots += 1;
            }
        }
        let mut len = 0;
        let mut take = |count: usize| {
            len += count;
            len - count
        };
        // Without a backward sweep nobody asks for them again.
        let ruled_slots = match plan.inner.is_plain() {
            true => 0,
            false if second || meta && plan.rates.learned => steps,
            false => steps.min(1),
        };
        let mut layers = Vec::new();
        for (l, &link) in plan.model.chain().iter().enumerate() {
            let mode = Mode::choose(plan, l, link, meta);
            let (i, o, t) = (link.inputs, link.outputs, if second { support * steps } else { 0 });
            let (dz_cols, h_cols) = if l == 0 {
                (slots * query + 2 * support + steps * support, query + support)
            } else {
                let q = (slots + 1) * query;
                (q + t + support * steps, q + support * steps + t)
            };
            let dz = Mat { at: take(o * dz_cols), row: dz_cols, col: 1 };
            let h = Mat { at: take(i * h_cols), row: h_cols, col: 1 };
            let explicit = mode == Mode::Explicit;
            let fast = take(if explicit { steps * link.len() } else { 0 });
            let v = take(if explicit && meta { link.len() } else { 0 });
            let gram_rows = dz_cols.max(h_cols);
            let gram = take(if mode == Mode::Factored { 2 * steps * gram_rows * support } else { 0 });
            let sums = take(if mode == Mode::Input { steps * o * support } else { 0 });
            let bends = if second { 2 } else { 1 };
            let curved = usize::from(link.curve().is_some());
            let slopes = take(curved * o * (query + bends * support * steps));
            let len = if explicit && ruled_slots > 0 { link.len() } else { 0 };
            let ruled = Ruled {
                start: take(len),
                gradient: take(ruled_slots * len),
                moments: take(2 * ruled_slots * len),
                slots: ruled_slots,
                adjoints: take(if second { 2 * len } else { 0 }),
                u: take(if second { len } else { 0 }),
            };
            layers.push(LayerLayout { link, mode, dz, h, fast, v, gram, gram_rows, sums, ruled, slopes });
        }
        let mut mat = |rows: usize, cols: usize| Mat { at: take(rows * cols), row: cols, col: 1 };
        let outputs = plan.model.outputs();
        let support_y = mat(plan.targets(), support);
        let query_y = mat(plan.targets(), query);
        let query_out = mat(outputs, query);
        let support_out = mat(steps * outputs, support).at;
        let gram_ss = mat(support, support);
        let gram_sq = mat(support, query);
        let links = plan.model.chain();
        let widest = links.iter().map(Link::len).max().unwrap_or(0);
        let scratch =
            widest.max(links.iter().map(|link| link.outputs * support.max(query)).max().unwrap_or(0));
        let first_adapted = (0..links.len()).position(|block| plan.adapts(block)).unwrap_or(links.len());
        let (ones, weight, sum) = (take(1), take(1), take(1));
        let (scratch, query_loss, support_loss) = (take(scratch), take(steps + 1), take(steps));
        let clipped = take(2 * ruled_slots);
        Self {
            layers,
            support,
            query,
            steps,
            meta,
            second,
            slot,
            slots,
            first_adapted,
            support_y,
            query_y,
            query_out,
            support_out,
            gram_ss,
            gram_sq,
            ones,
            weight,
            sum,
            scratch,
            clipped,
            ruled_slots,
            query_loss,
            support_loss,
            len,
        }
    }

    /// Outputs of the support points at step `j`, `[outputs, support]`.
    pub(super) fn support_out(&self, j: usize) -> Mat {
        let outputs = self.layers[self.layers.len() - 1].link.outputs;
        Mat { at: self.support_out + j * outputs * self.support, row: self.support, col: 1 }
    }

    /// With a rule: what clipping by norm multiplied the gradient of step `j` by, and a vector on the norm.
    pub(super) fn clipped(&self, j: usize) -> usize {
        self.clipped + 2 * (j % self.ruled_slots)
    }

    /// Points and the step whose weights they meet.
    pub(super) fn set(&self, set: Set) -> (usize, usize) {
        match set {
            Set::Support(j) | Set::Tangent(j) => (self.support, j),
            Set::Query(j) => (self.query, j),
        }
    }

    /// First column of a set in `h`; also the first row in the products of inputs.
    pub(super) fn h_col(&self, l: usize, set: Set) -> usize {
        let (q, s, k) = (self.query, self.support, self.steps);
        match set {
            Set::Query(_) if l == 0 => 0,
            Set::Support(_) if l == 0 => q,
            Set::Query(j) => self.slot_col(j),
            Set::Support(j) => (self.slots + 1) * q + (k - 1 - j) * s,
            Set::Tangent(j) => (self.slots + 1) * q + (2 * k - 1 - j) * s,
        }
    }

    /// First column of a set in `dz`; also the first row in the products of cotangents.
    pub(super) fn dz_col(&self, l: usize, set: Set) -> usize {
        let (q, s, k) = (self.query, self.support, self.steps);
        match set {
            // Slot 0 lies beside the tangents, as query points lie beside support points in `h`.
            Set::Query(j) if l == 0 => (self.slots - 1 - self.slot[j].unwrap_or(0)) * q,
            // One block, to which the tangents of all steps are added.
            Set::Tangent(_) if l == 0 => self.slots * q,
            Set::Support(j) if l == 0 => self.slots * q + 2 * s + (k - 1 - j) * s,
            Set::Query(j) => self.slot_col(j),
            Set::Tangent(j) => (self.slots + 1) * q + (k - 1 - j) * s,
            Set::Support(j) => (self.slots + 1) * q + (if self.second { k } else { 0 } + k - 1 - j) * s,
        }
    }

    /// A pass without a slot has the spare block in front. The others stand in the order of θ, so that those
    /// met so far by the backward sweep are side by side with the tangents.
    fn slot_col(&self, j: usize) -> usize {
        self.slot[j].map_or(0, |slot| (self.slots - slot) * self.query)
    }

    /// First column of the query slots of steps beyond `j`.
    pub(super) fn first_col_after(&self, j: usize) -> usize {
        let met = self.slot[j + 1..].iter().flatten().count();
        (self.slots + 1 - met) * self.query
    }

    /// First column after the query slots.
    pub(super) fn after_query(&self) -> usize {
        (self.slots + 1) * self.query
    }

    /// Inputs of layer `l`, `[inputs, points]`; past the last layer the outputs.
    pub(super) fn h(&self, l: usize, set: Set) -> Mat {
        if l == self.layers.len() {
            return match set {
                Set::Query(_) => self.query_out,
                Set::Support(j) | Set::Tangent(j) => self.support_out(j),
            };
        }
        self.layers[l].h.skip_cols(self.h_col(l, set))
    }

    /// Cotangents of layer `l`'s sums, `[outputs, points]`.
    pub(super) fn dz(&self, l: usize, set: Set) -> Mat {
        self.layers[l].dz.skip_cols(self.dz_col(l, set))
    }

    /// `f′` of the function behind layer `l`, `[outputs, points]`.
    pub(super) fn slope(&self, l: usize, set: Set) -> Mat {
        let (layer, s, q) = (&self.layers[l], self.support, self.query);
        match set {
            Set::Query(_) => Mat { at: layer.slopes, row: q, col: 1 },
            Set::Support(j) | Set::Tangent(j) => {
                Mat { at: layer.slopes + layer.link.outputs * (q + j * s), row: s, col: 1 }
            }
        }
    }

    /// `f″` at the support points of a step, and what the passes make of it.
    pub(super) fn bend(&self, l: usize, set: Set) -> Mat {
        let slope = self.slope(l, set);
        Mat { at: slope.at + self.layers[l].link.outputs * self.support * self.steps, ..slope }
    }

    /// The whole of a layer's cotangents and inputs.
    pub(super) fn pairs(&self, l: usize) -> (Mat, Mat) {
        (self.layers[l].dz, self.layers[l].h)
    }

    /// Input layer: where a step's tangent is made before it is added to the others.
    pub(super) fn tangent_scratch(&self) -> Mat {
        self.layers[0].dz.skip_cols(self.slots * self.query + self.support)
    }
}

/// Which points, at which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Support(usize),
    Query(usize),
    Tangent(usize),
}

impl LayerLayout {
    /// Explicit: weights `[outputs, inputs]` at step `j ≥ 1`.
    pub(super) fn fast(&self, j: usize) -> Mat {
        Mat { at: self.fast + (j - 1) * self.link.len(), row: self.link.inputs, col: 1 }
    }

    /// Explicit: the bias of step `j ≥ 1`.
    pub(super) fn fast_bias(&self, j: usize) -> usize {
        self.fast(j).at + self.link.inputs * self.link.outputs
    }

    /// With a rule: the gradient of step `j`.
    pub(super) fn gradient(&self, j: usize) -> usize {
        self.ruled.gradient + j % self.ruled.slots * self.link.len()
    }

    /// With a rule: the moments after step `j`.
    pub(super) fn moments(&self, j: usize) -> [usize; 2] {
        let at = self.ruled.moments + 2 * (j % self.ruled.slots) * self.link.len();
        [at, at + self.link.len()]
    }

    /// Explicit: `v` as a matrix.
    pub(super) fn v(&self) -> Mat {
        Mat { at: self.v, row: self.link.inputs, col: 1 }
    }

    /// Explicit: where `v` keeps the bias.
    pub(super) fn v_bias(&self) -> usize {
        self.v + self.link.inputs * self.link.outputs
    }

    /// Factored: products of step `j`'s inputs with the columns of `h`, `[columns, support]`.
    pub(super) fn gram_h(&self, j: usize, support: usize) -> Mat {
        Mat { at: self.gram + 2 * j * self.gram_rows * support, row: support, col: 1 }
    }

    /// Factored: products of step `j`'s cotangents with the columns of `dz`, `[columns, support]`.
    pub(super) fn gram_dz(&self, j: usize, support: usize) -> Mat {
        Mat { at: self.gram + (2 * j + 1) * self.gram_rows * support, row: support, col: 1 }
    }

    /// Input: the summed factors of step `j ≥ 1`.
    pub(super) fn sums(&self, j: usize, support: usize) -> Mat {
        Mat { at: self.sums + (j - 1) * self.link.outputs * support, row: support, col: 1 }
    }
}
