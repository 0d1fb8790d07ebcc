//! Instructions: what one task computes, step by step, without a word on where.

use super::array::{ArrayId, Pass};

/// Where a node puts the cotangent of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The cotangent, or its tangent.
    pub to: ArrayId,
    /// Whether it is added to what is there: of several uses the first sets, later ones add.
    pub add: bool,
    /// Whether the input came out of a ReLU that is part of the node before, so that the cotangent is zero where the input
    /// is. Executors close it here, or in that node's backward, which says `relu`.
    pub gate: bool,
}

/// What becomes of the gradient of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sink {
    /// Nobody wants it.
    Skip,
    /// `θ_{j+1} = θ_j − α_j g`; with `add`, `θ_{j+1} −= α_j g`, for later chunks of points.
    Step {
        /// Whether a chunk before has begun.
        add: bool,
    },
    /// It is kept whole as the gradient of this step, or added to it.
    Keep {
        /// Whether a chunk before has begun.
        add: bool,
    },
    /// `v = g` or `v += g`; the loss has multiplied it by its weight.
    Outer {
        /// Whether `v` holds something yet.
        add: bool,
    },
    /// `v −= ġ`, the tangent of the gradient in the direction `u`.
    Curvature,
}

/// A node's forward pass, and what all its other passes take of it. Arrays that an executor does not keep are absent.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The node.
    pub node: usize,
    /// The pass.
    pub pass: Pass,
    /// Whether a ReLU is part of the node.
    pub relu: bool,
    /// Its inputs.
    pub x: Vec<Option<ArrayId>>,
    /// Its output.
    pub y: Option<ArrayId>,
    /// What its forward pass leaves.
    pub saved: Option<ArrayId>,
}

/// One instruction, for one task.
#[derive(Clone, Debug, PartialEq)]
pub enum Instr {
    /// `y = f(x, θ_j)`.
    Forward(Site),
    /// `dx` and the parameters' gradients from `dy`. With `tangents`, `dy` and `dx` are tangents of cotangents: where no
    /// tangent comes in and no parameter moves, or the op is linear between its kinks, a backward is its own tangent.
    Backward {
        /// The node in the pass.
        site: Site,
        /// Cotangent of its output.
        dy: ArrayId,
        /// Cotangents of its inputs, where they are wanted.
        dx: Vec<Option<Put>>,
        /// What becomes of its parameters' gradients.
        sinks: Vec<Sink>,
        /// Whether these are tangents.
        tangents: bool,
    },
    /// `ẏ` from `ẋ` and the direction `u`.
    Tangent {
        /// The node in the pass.
        site: Site,
        /// Tangents of its inputs; none where an input does not move.
        x_dot: Vec<Option<ArrayId>>,
        /// For each of its parameters, whether the inner loop moves it.
        moves: Vec<bool>,
        /// Tangent of its output.
        y_dot: ArrayId,
        /// What it leaves for the tangent of its backward.
        saved_dot: Option<ArrayId>,
    },
    /// The tangent of a backward: `dẋ`, and the tangents of the parameters' gradients.
    BackwardTangent {
        /// The node in the pass.
        site: Site,
        /// Tangents of its inputs.
        x_dot: Vec<Option<ArrayId>>,
        /// Tangent of its output.
        y_dot: Option<ArrayId>,
        /// For each of its parameters, whether the inner loop moves it.
        moves: Vec<bool>,
        /// What its tangent left.
        saved_dot: Option<ArrayId>,
        /// Cotangent of its output.
        dy: ArrayId,
        /// The tangent of that.
        dy_dot: ArrayId,
        /// Tangents of its inputs' cotangents, where they are wanted.
        dx_dot: Vec<Option<Put>>,
        /// What becomes of its parameters' tangents.
        sinks: Vec<Sink>,
        /// Whether the gradients of this node's inner rates are wanted with it, from `dy` and `v` before the sinks change
        /// it (see [`Target::rates_in_tangents`](super::Target::rates_in_tangents)).
        rates: bool,
    },
    /// The loss of the pass's points, its share of the mean over the set, and the cotangent of the outputs times `weight`.
    Loss {
        /// The pass.
        pass: Pass,
        /// The model's outputs.
        y: ArrayId,
        /// Their cotangent, if it is wanted.
        dy: Option<ArrayId>,
        /// Whether the outputs came out of a ReLU that is part of the last node.
        gate: bool,
        /// What the cotangent is multiplied by.
        weight: f64,
        /// Whether the loss is wanted: not where a pass is computed again.
        report: bool,
    },
    /// The tangent of the outputs' cotangent.
    LossTangent {
        /// The pass.
        pass: Pass,
        /// The model's outputs.
        y: ArrayId,
        /// Their tangent.
        y_dot: ArrayId,
        /// The tangent of their cotangent.
        dy_dot: ArrayId,
        /// As in [`Instr::Loss`].
        gate: bool,
    },
    /// θ_{step + 1} from the gradient kept of a step, by the inner rule.
    Step {
        /// The step.
        step: usize,
    },
    /// `∂/∂α_step = − M ⊙ g ⊙ v`, from the gradient kept (through the inner rule's direction).
    RateGradient {
        /// The step.
        step: usize,
    },
    /// The gradients of the rates of one node where no tangent of its backward brings them: from `x` and `dy` again.
    Rates {
        /// The node in the pass.
        site: Site,
        /// Cotangent of its output.
        dy: ArrayId,
    },
    /// `u = α_step ⊙ M ⊙ v`, through the adjoint of the inner rule where there is one.
    Direction {
        /// The step.
        step: usize,
        /// Whether `v` changes while `u` is still needed, so that `u` must be a copy.
        copy: bool,
    },
    /// `v = 0`: nothing below sets all of it.
    Clear,
    /// `v = θ_0 − θ_K`.
    Displacement,
    /// The outputs on the query points at θ_`step`, for the caller.
    Predictions {
        /// The step.
        step: usize,
        /// The points of `y`.
        pass: Pass,
        /// The model's outputs.
        y: ArrayId,
    },
    /// θ_K, for the caller.
    Fast,
}

impl Site {
    fn reads(&self) -> impl Iterator<Item = ArrayId> {
        self.x.iter().copied().flatten().chain(self.y).chain(self.saved)
    }
}

fn puts(all: &[Option<Put>]) -> impl Iterator<Item = ArrayId> {
    all.iter().flatten().map(|put| put.to)
}

impl Instr {
    /// The arrays that it reads, and those that it writes or adds to.
    #[must_use]
    pub fn touches(&self) -> (Vec<ArrayId>, Vec<ArrayId>) {
        match self {
            Self::Forward(site) => {
                let x = site.x.iter().copied().flatten().collect();
                (x, site.y.into_iter().chain(site.saved).collect())
            }
            Self::Backward { site, dy, dx, .. } => (site.reads().chain([*dy]).collect(), puts(dx).collect()),
            Self::Tangent { site, x_dot, y_dot, saved_dot, .. } => {
                let reads = site.reads().chain(x_dot.iter().copied().flatten());
                (reads.collect(), [*y_dot].into_iter().chain(*saved_dot).collect())
            }
            Self::BackwardTangent { site, x_dot, y_dot, saved_dot, dy, dy_dot, dx_dot, .. } => {
                let reads = site.reads().chain(x_dot.iter().copied().flatten());
                (
                    reads.chain(*y_dot).chain(*saved_dot).chain([*dy, *dy_dot]).collect(),
                    puts(dx_dot).collect(),
                )
            }
            Self::Loss { y, dy, .. } => (vec![*y], dy.iter().copied().collect()),
            Self::LossTangent { y, y_dot, dy_dot, .. } => (vec![*y, *y_dot], vec![*dy_dot]),
            Self::Rates { site, dy } => (site.reads().chain([*dy]).collect(), Vec::new()),
            Self::Predictions { y, .. } => (vec![*y], Vec::new()),
            Self::Step { .. }
            | Self::RateGradient { .. }
            | Self::Direction { .. }
            | Self::Clear
            | Self::Displacement
            | Self::Fast => (Vec::new(), Vec::new()),
        }
    }
}
