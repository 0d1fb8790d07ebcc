//! The passes of linear layers and convolutions. A weight is packed as `[group, tap, input, outputs padded]`, with a product
//! for each group.

use super::{Back, Layout, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::gather::Gather;
use crate::simd::geometry::{Geometry, Tables};
use crate::simd::memory::{Calls, Place};
use crate::simd::outer::{Outer, outer_room};
use crate::simd::sweeps::{ColumnSums, Transpose};
use crate::simd::tile::Terms;

/// What is multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) sides: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: usize,
    /// Groups of channels, of whole vectors where there are several.
    pub(crate) groups: usize,
}

/// Channels of an input whose patches are laid out once a task, instead of being gathered in each pass: with
/// so few, a kernel's taps are what makes a reduction long enough.
const PATCH_CHANNELS: usize = 15;

impl Kernel {
    fn taps(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    pub(crate) fn geometry(&self, node: &Node) -> Geometry {
        let (input, output) = (node.inputs[0], node.output);
        let plain = Geometry {
            input: input.sides,
            inputs: input.channels / self.groups,
            pitch: input.pitch,
            output: output.sides,
            outputs: output.channels / self.groups,
            wide: output.pitch,
            row: if self.groups == 1 { output.pitch } else { output.channels / self.groups },
            back_row: if self.groups == 1 { input.pitch } else { input.channels / self.groups },
            kernel: self.sides,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
        };
        match node.unfolded {
            true => Geometry { kernel: [1, 1], stride: 1, padding: [0, 0], dilation: 1, ..plain },
            false => plain,
        }
    }

    pub(crate) fn tables(&self, node: &Node) -> Tables {
        Tables::new(self.geometry(node), self.groups)
    }

    /// Patches instead of the input: for each output pixel `[tap, channel]`, nothing where a tap lies on the padding.
    pub(crate) fn unfolds(&self, node: &Node) -> Option<(Layout, Vec<u32>)> {
        let geometry = self.geometry(node);
        if self.sides == [1, 1]
            || self.groups > 1
            || geometry.inputs > PATCH_CHANNELS
            || geometry.output == [1, 1]
        {
            return None;
        }
        let mut all = Vec::new();
        let [h, w] = geometry.input;
        for out in 0..geometry.output[0] * geometry.output[1] {
            for tap in 0..self.taps() {
                let y = out / geometry.output[1] * self.stride + tap / self.sides[1] * self.dilation;
                let x = out % geometry.output[1] * self.stride + tap % self.sides[1] * self.dilation;
                let inside = |at: usize, side: usize, length: usize| {
                    at.checked_sub(self.padding[side]).filter(|&at| at < length)
                };
                let pixel = inside(y, 0, h).zip(inside(x, 1, w));
                let element = |c| pixel.map_or(NONE, |(y, x)| ((c * h + y) * w + x) as u32);
                all.extend((0..geometry.inputs).map(element));
            }
        }
        let channels = self.taps() * geometry.inputs;
        Some((Layout { sides: geometry.output, channels, pitch: channels }, all))
    }

    /// The elements of the packed weight `W: [outputs, inputs / groups, taps]`, and of the bias if there is one.
    pub(crate) fn params(&self, node: &Node, bias: bool) -> Vec<Vec<u32>> {
        let (taps, outputs, wide) = (self.taps(), node.output.channels, node.output.pitch);
        let inputs = node.inputs[0].channels / if node.unfolded { taps } else { 1 };
        let (deep, broad, groups) = (inputs / self.groups, outputs / self.groups, self.groups);
        let row = if groups == 1 { wide } else { broad };
        let element = |group: usize, tap: usize, c: usize, o: usize| match o < broad {
            true => (((group * broad + o) * deep + c) * taps + tap) as u32,
            false => NONE,
        };
        let rows = (0..groups * taps * deep).map(|row| (row / deep / taps, row / deep % taps, row % deep));
        let weight = rows.flat_map(|(g, tap, c)| (0..row).map(move |o| element(g, tap, c, o))).collect();
        let mut all = vec![weight];
        if bias {
            all.push((0..wide).map(|o| if o < outputs { o as u32 } else { NONE }).collect());
        }
        all
    }
}

/// Floats of a group's weight.
fn packed(geometry: &Geometry) -> usize {
    geometry.kernel[0] * geometry.kernel[1] * geometry.inputs * geometry.row
}

/// Floats of a group's weight, transposed.
fn turned(geometry: &Geometry) -> usize {
    geometry.kernel[0] * geometry.kernel[1] * geometry.outputs * geometry.back_row
}

/// Puts a weight transposed: `[group, tap, output, inputs padded]`.
pub(crate) fn turn<I: Isa>(node: &Node, from: Place, to: Place, calls: &mut Calls<I>) {
    let Some(tables) = &node.tables else { return };
    let geometry = &tables.geometry;
    calls.push(Transpose {
        from,
        to,
        taps: tables.groups * geometry.kernel[0] * geometry.kernel[1],
        rows: geometry.inputs,
        columns: geometry.outputs,
        wide: geometry.row,
        pitch: geometry.back_row,
    });
}

/// Floats of a transposed weight.
pub(crate) fn turned_len(node: &Node) -> usize {
    node.tables.as_ref().map_or(0, |tables| tables.groups * turned(&tables.geometry))
}

/// Room that a share of a weight's gradient needs, floats.
pub(crate) fn scratch(node: &Node) -> usize {
    node.tables.as_ref().map_or(0, |tables| outer_room(tables.geometry.inputs, tables.geometry.row))
}

fn gather<I: Isa>(site: &Site<'_>, terms: Terms, c: Place, bias: Place, calls: &mut Calls<I>) {
    let Some(tables) = &site.node.tables else { return };
    let geometry = &tables.geometry;
    for group in 0..tables.groups {
        calls.push(Gather {
            classes: tables.forward.clone(),
            terms: terms.after(group * geometry.inputs, group * packed(geometry)),
            c: c.after(group * geometry.outputs),
            points: site.rows(),
            a_point: site.node.inputs[0].len(),
            c_point: site.node.output.len(),
            vectors: geometry.row / I::LANES,
            columns: 0..geometry.row / I::LANES,
            bias: bias.after(group * geometry.outputs),
        });
    }
}

fn gather_back<I: Isa>(site: &Site<'_>, terms: Terms, c: Place, calls: &mut Calls<I>) {
    let Some(tables) = &site.node.tables else { return };
    let geometry = &tables.geometry;
    for group in 0..tables.groups {
        calls.push(Gather {
            classes: tables.backward.clone(),
            terms: terms.after(group * geometry.outputs, group * turned(geometry)),
            c: c.after(group * geometry.inputs),
            points: site.rows(),
            a_point: site.node.output.len(),
            c_point: site.node.inputs[0].len(),
            vectors: geometry.back_row / I::LANES,
            columns: 0..geometry.back_row / I::LANES,
            bias: Place::NOWHERE,
        });
    }
}

fn gradients<I: Isa>(site: &Site<'_>, terms: Terms, back: &Back, calls: &mut Calls<I>) {
    let (node, Some(tables)) = (site.node, &site.node.tables) else { return };
    let geometry = &tables.geometry;
    for group in 0..tables.groups {
        let Some(to) = back.gradients[0] else { break };
        calls.push(Outer {
            taps: tables.pairs.clone(),
            terms: terms.after(group * geometry.inputs, group * geometry.outputs),
            to: to.after(group * packed(geometry)),
            rows: geometry.inputs,
            some: 0..geometry.inputs,
            points: site.rows(),
            a_point: node.inputs[0].len(),
            b_point: node.output.len(),
            vectors: geometry.row / I::LANES,
            scratch: site.scratch,
            room: outer_room(geometry.inputs, geometry.row),
        });
    }
    bias_gradient(site, back, calls);
}

/// The gradient of a bias: a sum over pixels.
pub(crate) fn bias_gradient<I: Isa>(site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
    if let Some(&Some(to)) = back.gradients.get(1) {
        let output = site.node.output;
        let rows = if site.node.bias_is_lost { 0 } else { site.rows() * output.pixels() };
        calls.push(ColumnSums { x: back.dy, rows, pitch: output.pitch, width: output.pitch, to });
    }
}

/// The bias among a product's parameters.
pub(crate) fn bias(of: &[Place]) -> Place {
    of.get(1).copied().unwrap_or(Place::NOWHERE)
}

pub(crate) fn forward<I: Isa>(site: &Site<'_>, calls: &mut Calls<I>) {
    gather(site, Terms::one((site.x[0], site.theta[0])), site.y, bias(&site.theta), calls);
}

pub(crate) fn backward<I: Isa>(site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
    gradients(site, Terms::one((site.x[0], back.dy)), back, calls);
    if back.dx[0].is_somewhere() {
        gather_back(site, Terms::one((back.dy, site.transposed)), back.dx[0], calls);
    }
}

pub(crate) fn tangent<I: Isa>(site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
    let terms = Terms::new((moving.x[0], site.theta[0]), (site.x[0], moving.theta[0]));
    gather(site, terms, moving.y, bias(&moving.theta), calls);
}

pub(crate) fn backward_tangent<I: Isa>(
    site: &Site<'_>,
    moving: &Moving,
    dy: Place,
    back: &Back,
    calls: &mut Calls<I>,
) {
    gradients(site, Terms::new((site.x[0], back.dy), (moving.x[0], dy)), back, calls);
    if back.dx[0].is_somewhere() {
        let terms = Terms::new((back.dy, site.transposed), (dy, moving.transposed));
        gather_back(site, terms, back.dx[0], calls);
    }
}
