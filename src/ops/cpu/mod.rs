//! What a room's `cpu.rs` gives the CPU: its passes as calls between places in a task's memory, with channels in lanes.
//!
//! A row of a value lies pixel by pixel with its channels innermost, padded to whole vectors; a vector is one pixel. The
//! padding of tangents and cotangents is zero, that of values finite. Every pass sets all of what it writes, padding too.

pub(crate) mod broadcast;
pub(crate) mod lanewise;
pub(crate) mod product;
pub(crate) mod windows;

use super::{Rows, Shape};
pub(crate) use crate::kept::Kept;
use crate::simd::Isa;
use crate::simd::geometry::Tables;
use crate::simd::memory::{Calls, Gradient, Place};
use crate::simd::planes::LaneTables;

/// How a row of a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Height and width.
    pub(crate) sides: [usize; 2],
    pub(crate) channels: usize,
    /// Floats from one pixel to the next.
    pub(crate) pitch: usize,
}

/// No element.
pub(crate) const NONE: u32 = u32::MAX;

impl Layout {
    /// That of a shape, for vectors of so many lanes.
    pub(crate) fn of(shape: Shape, lanes: usize) -> Self {
        let channels = shape.features();
        Self { sides: shape.sides(), channels, pitch: channels.next_multiple_of(lanes) }
    }

    pub(crate) fn pixels(self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// Floats of a row.
    pub(crate) fn len(self) -> usize {
        self.pixels() * self.pitch
    }

    /// Elements of a row.
    pub(crate) fn elements(self) -> usize {
        self.pixels() * self.channels
    }

    /// The element, `[channel, row, column]`, of each float of a row.
    pub(crate) fn places(self) -> Vec<u32> {
        let at = |pixel: usize| {
            (0..self.pitch)
                .map(move |c| if c < self.channels { (c * self.pixels() + pixel) as u32 } else { NONE })
        };
        (0..self.pixels()).flat_map(at).collect()
    }

    /// The float of element `e`.
    pub(crate) fn place(self, e: usize) -> u32 {
        (e % self.pixels() * self.pitch + e / self.pixels()) as u32
    }
}

/// A node as the CPU has it: what does not change from pass to pass.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) inputs: Vec<Layout>,
    pub(crate) input_rows: Vec<Rows>,
    pub(crate) output: Layout,
    /// Of the output; a flattened image is a vector that lies as the image does.
    pub(crate) shape: Shape,
    pub(crate) rows: Rows,
    /// Whether a ReLU is part of it.
    pub(crate) relu: bool,
    /// Whether its bias moves nothing, as a batch norm takes it away again: its gradient is zero.
    pub(crate) bias_is_lost: bool,
    /// Whether its input is laid out as patches.
    pub(crate) unfolded: bool,
    /// Lanes of a vector.
    pub(crate) lanes: usize,
    /// Of a product; of one in which a lane is a channel.
    pub(crate) tables: Option<Tables>,
    pub(crate) lanewise: Option<LaneTables>,
}

/// A node in a pass.
pub(crate) struct Site<'a> {
    pub(crate) node: &'a Node,
    /// Points of the pass.
    pub(crate) points: usize,
    /// The number of those that count, which lie first; nowhere where all do. Cotangents of the others are zero.
    pub(crate) live: Place,
    /// Its inputs and output, where they are kept.
    pub(crate) x: Vec<Place>,
    pub(crate) y: Place,
    /// What its forward pass leaves: an array, and a few statistics.
    pub(crate) saved: Place,
    pub(crate) stats: Place,
    /// Its parameters at this step, packed.
    pub(crate) theta: Vec<Place>,
    /// A product's weight, transposed.
    pub(crate) transposed: Place,
    /// What [`Lower::constants`] gave.
    pub(crate) constants: Place,
    /// Room of [`Lower::scratch`] floats.
    pub(crate) scratch: Place,
}

impl Site<'_> {
    /// Rows of the output.
    pub(crate) fn rows(&self) -> usize {
        self.node.rows.count(self.points)
    }

    /// Floats of the output.
    pub(crate) fn len(&self) -> usize {
        self.rows() * self.node.output.len()
    }
}

/// A backward pass, or one of tangents.
pub(crate) struct Back {
    /// Cotangent of the output; a kernel may change it where a ReLU is part of the node.
    pub(crate) dy: Place,
    /// Cotangents of the inputs, where they are wanted. They may take the place of `dy`.
    pub(crate) dx: Vec<Place>,
    /// What becomes of the parameters' gradients.
    pub(crate) gradients: Vec<Option<Gradient>>,
}

/// A tangent.
pub(crate) struct Moving {
    /// Tangents of the inputs, of those that move.
    pub(crate) x: Vec<Place>,
    /// Of the output. In the tangent of a backward pass it may be gone.
    pub(crate) y: Place,
    /// Directions of the parameters, of those that move.
    pub(crate) theta: Vec<Place>,
    /// A product's, transposed.
    pub(crate) transposed: Place,
    /// What the tangent leaves.
    pub(crate) saved: Place,
    pub(crate) stats: Place,
}

/// The kernels of an op.
pub(crate) trait Lower {
    /// What its passes read and leave; `relu` says whether one is part of it.
    fn keeps(&self, relu: bool) -> Kept;

    /// Whether its output lies as its inputs do, so that a flattened image serves for a vector.
    fn lies_as_inputs(&self) -> bool {
        false
    }

    /// Whether features of a vector must lie in their order, so that no flattened image serves for it.
    fn needs_order(&self) -> bool {
        false
    }

    /// Whether its passes may write where they read: what is saved, or else the output, in place of the one input.
    fn in_place(&self) -> bool {
        false
    }

    /// A product's geometry.
    fn tables(&self, _node: &Node) -> Option<Tables> {
        None
    }

    /// That of one in which a lane is a channel.
    fn lanewise(&self, _node: &Node) -> Option<LaneTables> {
        None
    }

    /// The layout of an input as patches and the element of each of its floats, where a product is faster so.
    fn unfolds(&self, _node: &Node) -> Option<(Layout, Vec<u32>)> {
        None
    }

    /// For each parameter, the element of each packed float.
    fn params(&self, _node: &Node) -> Vec<Vec<u32>> {
        Vec::new()
    }

    /// Numbers that its kernels read, whole vectors.
    fn constants(&self, _node: &Node) -> Vec<f32> {
        Vec::new()
    }

    /// Floats of a product's weight as the way back multiplies by it.
    fn turned_len(&self, _node: &Node) -> usize {
        0
    }

    /// Turns a product's weight for the way back.
    fn turn<I: Isa>(&self, _node: &Node, _from: Place, _to: Place, _calls: &mut Calls<I>) {}

    /// Floats of its statistics for so many rows, and of their tangents.
    fn stats(&self, _node: &Node, _rows: usize) -> [usize; 2] {
        [0, 0]
    }

    /// Floats that a pass needs for itself.
    fn scratch(&self, _node: &Node) -> usize {
        0
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>);

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>);

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>);

    /// The tangent of the backward pass of the cotangent `dy`; `back` has the tangents. Not asked for of what is linear
    /// between kinks, of which a backward is its own tangent.
    fn backward_tangent<I: Isa>(
        &self,
        site: &Site<'_>,
        _moving: &Moving,
        _dy: Place,
        back: &Back,
        calls: &mut Calls<I>,
    ) {
        self.backward(site, back, calls);
    }
}
