//! An op in a pass over the tasks of a tile: its sizes, where its numbers lie, its parameters and what becomes of them.

use super::call::{Bound, Call, MOST_WORKGROUPS, Operand};
use super::declaration::Declaration;
use super::layer_pass::{LayerPass, Place};
use bytemuck::NoUninit;

/// What becomes of the gradient of an op's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Nothing.
    Nothing,
    /// θ_{j+1}, or with `add` a further share of it.
    Step {
        /// Whether θ_{j+1} is there to be changed.
        add: bool,
    },
    /// It is kept whole.
    Keep {
        /// Whether something is there to be added to.
        add: bool,
    },
    /// v.
    Outer {
        /// Whether v holds something yet.
        add: bool,
    },
    /// `v −= ġ`: cotangents are tangents.
    Curvature,
}

/// How gradients of inner rates are wanted: the override `RATES` of kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rates {
    /// Not at all.
    #[default]
    None,
    /// One for each parameter.
    Each,
    /// One for all of the op's parameters.
    Shared,
}

/// Sizes and places, overrides, and bindings of an update.
pub(crate) type Update = (LayerPass, [(&'static str, f64); 2], [Bound; 3]);

impl Rates {
    /// The override.
    #[must_use]
    pub fn code(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Each => 1.0,
            Self::Shared => 2.0,
        }
    }
}

/// A row of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Channels, rows, columns; a vector is an image of one pixel.
    pub sides: [u32; 3],
    /// Whether it has a row for the whole task.
    pub per_task: bool,
}

impl Extent {
    /// Elements.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.sides.iter().product()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The sizes of an op in a pass.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Its inputs.
    pub inputs: Vec<Extent>,
    /// Its output.
    pub output: Extent,
    /// Points of the pass.
    pub points: u32,
    /// Tasks of the whole meta-batch, which cuts of the work follow.
    pub batch: u32,
    /// Whether a ReLU is part of it.
    pub relu: bool,
    /// Whether points count by shares of their own.
    pub weighted: bool,
}

impl Sizes {
    /// Floats of a task that hold the shares of points, where there are any.
    #[must_use]
    pub fn shares(&self) -> u32 {
        if self.weighted { self.points } else { 0 }
    }

    /// Rows of a value.
    #[must_use]
    pub fn rows(&self, value: Extent) -> u32 {
        if value.per_task { 1 } else { self.points }
    }

    /// What kernels are told of them, from the first input and the output.
    #[must_use]
    pub fn layer(&self) -> LayerPass {
        let [outputs, out_height, out_width] = self.output.sides;
        let [channels, height, width] = self.inputs.first().map_or([1; 3], |input| input.sides);
        LayerPass {
            points: self.rows(self.output),
            inputs: 1,
            outputs,
            relu: self.relu.into(),
            channels,
            height,
            width,
            out_height,
            out_width,
            kernel: 1,
            kernel_width: 1,
            stride: 1,
            stretches: 1,
            group_channels: channels,
            group_outputs: outputs,
            dilation: 1,
            tap_period: 1,
            ..LayerPass::default()
        }
    }
}

/// The parameters of an op in a pass, and all that is done with them.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// What the inner loop moves: 1 the first tensor, 2 the second.
    pub moves: u32,
    /// θ_j.
    pub theta: Operand,
    /// θ_{j+1}.
    pub next: Operand,
    /// α_j: offset, and stride from parameter to parameter.
    pub rate: Place,
    /// v.
    pub v: Operand,
    /// Where the gradient is kept.
    pub gradient: Operand,
    /// What the direction u is a product of, where the rates are numbers of the task: offset and stride as of `rate`.
    pub direction: [Operand; 2],
    /// Gradients of rates of single parameters in the rows of v, or of shared ones in `rate_sums`.
    pub rate_gradient: Place,
    /// Whether a gradient of the rates is there to be added to.
    pub rate_adds: bool,
    /// Parts of the gradients of shared rates.
    pub rate_sums: Bound,
    /// Room for stretches of sums.
    pub stretches: Bound,
    /// Room that a kernel may bind for what it does not write, twice.
    pub spare: [Bound; 2],
}

/// An op in a pass over the tasks of a tile.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Sizes.
    pub sizes: Sizes,
    /// Tasks of the tile.
    pub tasks: u32,
    /// Inputs, those that are kept for the pass.
    pub x: Vec<Option<Operand>>,
    /// Output, likewise.
    pub y: Option<Operand>,
    /// What the forward pass left.
    pub saved: Option<Operand>,
    /// Shares of points, where they do not count alike.
    pub shares: Option<Operand>,
    /// Parameters.
    pub params: Parameters,
}

/// So many workgroups a task, beyond what one dimension of a dispatch takes along the third.
#[must_use]
pub fn spread(across: u32, tasks: u32) -> [u32; 3] {
    [across.min(MOST_WORKGROUPS), tasks, across.div_ceil(MOST_WORKGROUPS).max(1)]
}

impl Seat {
    /// The buffer of an operand, or one that stands in for what is not read.
    #[must_use]
    pub fn read(&self, operand: Option<Operand>) -> Bound {
        operand.map_or(Bound::Params, |operand| operand.bound)
    }

    /// Sizes with the places of inputs, output and parameters.
    #[must_use]
    pub fn layer(&self, sized: LayerPass) -> LayerPass {
        let place = |operand: Option<Operand>| operand.map_or(Place::default(), |operand| operand.place);
        let Parameters { moves, theta, next, rate, v, rate_gradient, rate_adds, .. } = self.params;
        LayerPass {
            adapted: moves,
            rate_adds: rate_adds.into(),
            x: place(self.x.first().copied().flatten()),
            y: place(self.y),
            stats: place(self.saved),
            weight: theta.place,
            next: next.place,
            v: v.place,
            rate,
            rate_gradient,
            ..sized
        }
    }

    /// The same for a kernel that follows the direction of tangents.
    #[must_use]
    pub fn directed(&self, layer: LayerPass) -> LayerPass {
        let [rate, u] = self.params.direction;
        LayerPass { rate: rate.place, v: u.place, ..layer }
    }

    /// What `step_on.wgsl` needs for what becomes of a gradient: the layer, overrides, θ_j, the rates, the result; nothing if
    /// nothing becomes of it.
    #[must_use]
    pub fn taken(&self, take: Take, layer: LayerPass) -> Option<Update> {
        let params = &self.params;
        let flags = |step: f64, add: bool| [("STEP", step), ("ADD", f64::from(u8::from(add)))];
        match take {
            Take::Nothing | Take::Curvature => None,
            Take::Step { add } => {
                Some((layer, flags(1.0, add), [params.theta.bound, Bound::Params, params.next.bound]))
            }
            Take::Keep { add } => {
                let layer = LayerPass { v: params.gradient.place, ..layer };
                Some((layer, flags(0.0, add), [Bound::Params, Bound::Params, params.gradient.bound]))
            }
            Take::Outer { add } => {
                let layer = LayerPass { adapted: 3, ..layer };
                Some((layer, flags(0.0, add), [Bound::Params, Bound::Params, params.v.bound]))
            }
        }
    }

    /// The points of all tasks of the tile as if they were one's, where these share the op's parameters and their numbers lie
    /// one behind the other: one product then, of as many rows or columns. `places` are what is read and written, with
    /// the floats of a point.
    #[must_use]
    pub fn together(&self, layer: LayerPass, places: &[(Place, u32)]) -> Option<LayerPass> {
        let dense = |&(place, width): &(Place, u32)| place.stride == layer.points * width;
        let points = layer.points.checked_mul(self.tasks).filter(|_| layer.weight.stride == 0)?;
        let reached = places
            .iter()
            .map(|&(place, width)| u64::from(place.offset) + u64::from(points) * u64::from(width));
        // Gathers count with a sign.
        let in_reach = reached.max().is_some_and(|most| most < 1 << 31);
        (self.tasks > 1 && in_reach && places.iter().all(dense)).then_some(LayerPass { points, ..layer })
    }

    /// A dispatch of a kernel whose invocations take an element each (`shaders/shared/spread.wgsl`), `across` workgroups a task.
    #[must_use]
    pub fn spread<T: NoUninit>(
        &self,
        kernel: &'static Declaration,
        constants: &[(&'static str, f64)],
        uniform: &T,
        bindings: &[Bound],
        across: u32,
    ) -> Call {
        Call::new(kernel, constants, uniform, bindings, spread(across, self.tasks))
    }

    /// A dispatch over the tasks of the tile, `across` workgroups a task.
    #[must_use]
    pub fn call<T: NoUninit>(
        &self,
        kernel: &'static Declaration,
        constants: &[(&'static str, f64)],
        uniform: &T,
        bindings: &[Bound],
        across: u32,
    ) -> Call {
        Call::new(kernel, constants, uniform, bindings, [across, self.tasks, 1])
    }
}
