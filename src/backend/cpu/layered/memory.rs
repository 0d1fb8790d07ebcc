//! Where the arrays of a task lie: what its passes keep, its fast weights, and the tangents.
//!
//! All places are floats into one arena that a thread owns and uses again for every task.

use super::program::{Node, Op, Program};
use crate::meta::{MetaGradient, Plan, RateShape};

/// Support sets of all inner steps are kept until the backward sweep if they take no more floats than this;
/// else the sweep computes each again.
pub(super) const KEPT: usize = 32 << 20;

/// The arrays of one pass over a set of points.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pub(super) points: usize,
    /// Values at each node. Operations that nobody looks behind work in place.
    pub(super) act: Vec<usize>,
    /// `x̂` of each batch norm, the winners of each pool.
    pub(super) extra: Vec<usize>,
    /// `1/√(σ² + ε)`, then `s` and `q` of the cotangent, of each batch norm.
    pub(super) stats: Vec<usize>,
    /// Cotangents at each node.
    pub(super) cot: Vec<usize>,
    pub(super) labels: usize,
}

/// What a set is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The loss alone.
    Loss,
    /// A gradient: a batch norm's cotangent may be overwritten by that of its input.
    Gradient,
    /// A gradient whose tangent will be taken.
    Tangent,
}

/// Places for everything.
pub(super) struct Memory {
    pub(super) len: usize,
    /// One for all steps, or one for each.
    pub(super) support: Vec<Set>,
    pub(super) query: Set,
    /// Values and cotangents of tangents; `stats` has the tangent of the root, and room for sums.
    pub(super) tangent: Set,
    /// Packed parameters of θ_0 … θ_K; all fast weights in one place where no sweep looks back.
    pub(super) theta: Vec<usize>,
    pub(super) transposed: Vec<usize>,
    /// Gradients of the inner steps, where the way back needs them; else one, where an update needs more than its
    /// factor.
    pub(super) gradient: Vec<usize>,
    /// Moments after each of these steps, of inner optimizers that have them or clip.
    pub(super) moments: Vec<[usize; 2]>,
    /// What clipping by norm multiplied each of these gradients by, and the norm, 0 if it did not.
    pub(super) clipped: Vec<usize>,
    /// Adjoints of the moments.
    pub(super) adjoints: [usize; 2],
    pub(super) v: usize,
    /// The direction of tangents, where `v` cannot serve for it.
    pub(super) u: usize,
    pub(super) u_transposed: usize,
    /// Inner rates, fixed or learned.
    pub(super) rates: usize,
    /// Sums of a batch norm that nobody keeps.
    pub(super) scratch: usize,
}

struct Allocator {
    len: usize,
    lanes: usize,
}

impl Allocator {
    fn take(&mut self, len: usize) -> usize {
        let at = self.len;
        // Whole vectors, and whole cache lines.
        self.len += len.next_multiple_of(self.lanes.max(16));
        at
    }

    fn set(&mut self, program: &Program, points: usize, targets: usize, purpose: Purpose) -> Set {
        let len = |node: Node| points * node.len();
        let mut set = Set { points, ..Set::default() };
        set.act.push(self.take(len(program.nodes[0])));
        for (i, op) in program.ops.iter().enumerate() {
            let input = set.act[i];
            // A ReLU's output is its gate, and the model's input is there for all steps.
            let gate = |i: usize| match &program.ops[i] {
                Op::Relu => true,
                Op::Norm(norm) => norm.relu,
                _ => false,
            };
            let free = i > 0 && !gate(i - 1);
            let (mut output, mut extra, mut stats) = (None, 0, 0);
            match op {
                Op::Norm(norm) => {
                    extra = if free { input } else { self.take(len(program.nodes[i])) };
                    stats = self.take(3 * norm.width);
                }
                Op::Relu if i > 0 => output = Some(input),
                Op::Pool { .. } => extra = self.take(len(program.nodes[i + 1])),
                _ => {}
            }
            set.act.push(output.unwrap_or_else(|| self.take(len(program.nodes[i + 1]))));
            set.extra.push(extra);
            set.stats.push(stats);
        }
        set.cot = match purpose {
            Purpose::Loss => Vec::new(),
            _ => self.cotangents(program, points, purpose == Purpose::Gradient),
        };
        set.labels = self.take(points * targets);
        set
    }

    /// Cotangents at each node, with those of a batch norm's input and output in one place if `in_place`.
    fn cotangents(&mut self, program: &Program, points: usize, in_place: bool) -> Vec<usize> {
        let last = program.last();
        let mut all = vec![0; last + 1];
        all[last] = self.take(points * program.nodes[last].len());
        for i in (program.lowest + 1..=last).rev() {
            let same = match program.ops[i - 1] {
                Op::Relu => true,
                Op::Norm(_) => in_place,
                _ => false,
            };
            if i - 1 > program.lowest {
                all[i - 1] = if same { all[i] } else { self.take(points * program.nodes[i - 1].len()) };
            }
        }
        all
    }

    fn tangent(&mut self, program: &Program, points: usize) -> Set {
        let mut set = Set { points, ..Set::default() };
        for (i, node) in program.nodes.iter().enumerate() {
            let relu = i > 0 && matches!(program.ops[i - 1], Op::Relu);
            let at = if relu { set.act[i - 1] } else { self.take(points * node.len()) };
            set.act.push(at);
        }
        for op in &program.ops {
            let width = if let Op::Norm(norm) = op { norm.width } else { 0 };
            set.stats.push(self.take(width));
        }
        set.cot = self.cotangents(program, points, true);
        set
    }
}

impl Memory {
    /// Plans the memory of a meta-gradient, or of losses alone, with support sets of up to `kept` floats.
    pub(super) fn new(
        plan: &Plan,
        program: &Program,
        rates: usize,
        (lanes, kept): (usize, usize),
        meta: bool,
    ) -> Self {
        let mut all = Allocator { len: 0, lanes };
        let (steps, targets) = (plan.steps, plan.targets());
        let second = meta && steps > 0 && plan.order == MetaGradient::SecondOrder;
        let learned = meta && plan.rates.learned && steps > 0;
        let purpose = if meta { Purpose::Gradient } else { Purpose::Loss };
        let query = all.set(program, plan.query, targets, purpose);
        let mut support = Vec::new();
        if steps > 0 {
            let purpose = if second { Purpose::Tangent } else { Purpose::Gradient };
            let before = all.len;
            support.push(all.set(program, plan.support, targets, purpose));
            let sets = (all.len - before).saturating_mul(steps);
            if second && sets <= kept {
                for _ in 1..steps {
                    // Points and labels are the same at every step.
                    let (first, labels) = (support[0].act[0], support[0].labels);
                    let mut set = all.set(program, plan.support, 0, purpose);
                    set.act[0] = first;
                    set.labels = labels;
                    support.push(set);
                }
            }
        }
        let tangent = if second { all.tangent(program, plan.support) } else { Set::default() };
        let weights = |all: &mut Allocator, len: usize| {
            let mut places = vec![all.take(len)];
            for j in 0..steps {
                let again = (!meta && j > 0).then(|| places[j]);
                places.push(again.unwrap_or_else(|| all.take(len)));
            }
            places
        };
        let theta = weights(&mut all, program.len);
        let transposed = weights(&mut all, program.transposed_len);
        let rule = !plan.inner.is_plain();
        let whole = plan.per_parameter_rates() || rule;
        let kept = learned || rule && second;
        let gradients = if kept { steps } else { usize::from(steps > 0 && whole) };
        let gradient = (0..gradients).map(|_| all.take(program.len)).collect();
        let ruled = if rule { gradients } else { 0 };
        let moments = (0..ruled).map(|_| [all.take(program.len), all.take(program.len)]).collect();
        let clipped = (0..ruled).map(|_| all.take(2)).collect();
        let adjoints = match rule && second {
            true => [all.take(program.len), all.take(program.len)],
            false => [0; 2],
        };
        let v = if meta { all.take(program.len) } else { 0 };
        let turns = second && plan.rates.shape != RateShape::One || rule && (second || learned);
        let u = if turns { all.take(program.len) } else { 0 };
        let u_transposed = if second { all.take(program.transposed_len) } else { 0 };
        let rates = all.take(rates);
        let widest = program.ops.iter().map(|op| if let Op::Norm(norm) = op { norm.width } else { 0 });
        let scratch = all.take(2 * widest.max().unwrap_or(0));
        Self {
            len: all.len,
            support,
            query,
            tangent,
            theta,
            transposed,
            gradient,
            moments,
            clipped,
            adjoints,
            v,
            u,
            u_transposed,
            rates,
            scratch,
        }
    }
}
