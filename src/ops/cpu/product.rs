//! The passes of linear layers and convolutions. A weight is packed as `[tap, input, outputs padded]`.

use super::{Back, Layout, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::geometry::{Geometry, Tables};
use crate::simd::memory::{Calls, Gradient, Place, Scale};
use crate::simd::sweeps::{ColumnSums, Transpose, Update};
use crate::simd::tile::{Gather, Outer, Terms};

/// What is multiplied.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) sides: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: usize,
    /// Channels of different groups do not meet: their weights are zeros of the packed matrix.
    pub(crate) groups: usize,
}

/// Channels of an input whose patches are laid out once a task, instead of being gathered in each pass: with
/// so few, a kernel's taps are what makes a reduction long enough.
const PATCH_CHANNELS: usize = 15;

impl Kernel {
    fn taps(&self) -> usize {
        self.sides[0] * self.sides[1]
    }

    fn geometry(&self, node: &Node) -> Geometry {
        let (input, output) = (node.inputs[0], node.output);
        let plain = Geometry {
            input: input.sides,
            inputs: input.channels,
            pitch: input.pitch,
            output: output.sides,
            outputs: output.channels,
            wide: output.pitch,
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
        self.geometry(node).into()
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
        let (deep, broad) = (inputs / self.groups, outputs / self.groups);
        let element = |tap: usize, c: usize, o: usize| match o < outputs && o / broad == c / deep {
            true => ((o * deep + c % deep) * taps + tap) as u32,
            false => NONE,
        };
        let rows = (0..taps).flat_map(|tap| (0..inputs).map(move |c| (tap, c)));
        let weight = rows.flat_map(|(tap, c)| (0..wide).map(move |o| element(tap, c, o))).collect();
        let mut all = vec![weight];
        if bias {
            all.push((0..wide).map(|o| if o < outputs { o as u32 } else { NONE }).collect());
        }
        all
    }

    /// Where groups meet: 1 for each weight that there is, 0 for the others.
    pub(crate) fn constants(&self, node: &Node) -> Vec<f32> {
        let one = |&element: &u32| if element == NONE { 0.0 } else { 1.0 };
        if self.groups == 1 { Vec::new() } else { self.params(node, false)[0].iter().map(one).collect() }
    }
}

/// Floats of a weight as it is packed.
fn packed(tables: &Tables) -> usize {
    let geometry = &tables.geometry;
    geometry.kernel[0] * geometry.kernel[1] * geometry.inputs * geometry.wide
}

/// Floats that a gradient needs beside its place: where groups are masked.
pub(crate) fn scratch(node: &Node, groups: usize) -> usize {
    node.tables.as_ref().filter(|_| groups > 1).map_or(0, packed)
}

/// A weight transposed: `[tap, output, inputs padded]`.
pub(crate) fn transpose(tables: &Tables, from: Place, to: Place) -> Transpose {
    let geometry = &tables.geometry;
    Transpose {
        from,
        to,
        taps: geometry.kernel[0] * geometry.kernel[1],
        rows: geometry.inputs,
        columns: geometry.outputs,
        wide: geometry.wide,
        pitch: geometry.pitch,
    }
}

/// Floats of a transposed weight.
pub(crate) fn transposed_len(tables: &Tables) -> usize {
    let geometry = &tables.geometry;
    geometry.kernel[0] * geometry.kernel[1] * geometry.outputs * geometry.pitch
}

fn gather<I: Isa>(site: &Site<'_>, terms: Terms, c: Place, bias: Place, calls: &mut Calls<I>) {
    let Some(tables) = &site.node.tables else { return };
    calls.push(Gather {
        classes: tables.forward.clone(),
        terms,
        c,
        points: site.rows(),
        a_point: site.node.inputs[0].len(),
        c_point: site.node.output.len(),
        vectors: tables.geometry.wide / I::LANES,
        bias,
    });
}

fn gather_back<I: Isa>(site: &Site<'_>, terms: Terms, c: Place, calls: &mut Calls<I>) {
    let Some(tables) = &site.node.tables else { return };
    calls.push(Gather {
        classes: tables.backward.clone(),
        terms,
        c,
        points: site.rows(),
        a_point: site.node.output.len(),
        c_point: site.node.inputs[0].len(),
        vectors: tables.geometry.pitch / I::LANES,
        bias: Place::NOWHERE,
    });
}

fn gradients<I: Isa>(site: &Site<'_>, terms: Terms, back: &Back, calls: &mut Calls<I>) {
    let (node, Some(tables)) = (site.node, &site.node.tables) else { return };
    if let Some(to) = back.gradients[0] {
        let masked = site.constants.is_somewhere();
        let raw = Gradient { to: site.scratch, base: Place::NOWHERE, scale: Scale::ONE };
        calls.push(Outer {
            taps: tables.pairs.clone(),
            terms,
            to: if masked { raw } else { to },
            rows: tables.geometry.inputs,
            points: site.rows(),
            a_point: node.inputs[0].len(),
            b_point: node.output.len(),
            vectors: tables.geometry.wide / I::LANES,
        });
        if masked {
            let (c, x, scale, len) = (to.to, to.base, to.scale, packed(tables));
            calls.push(Update { c, x, scale, rate: site.constants, y: site.scratch, len });
        }
    }
    if let Some(&Some(to)) = back.gradients.get(1) {
        let rows = if node.bias_is_lost { 0 } else { site.rows() * node.output.pixels() };
        let pitch = node.output.pitch;
        calls.push(ColumnSums { x: back.dy, rows, pitch, width: pitch, to });
    }
}

fn bias(of: &[Place]) -> Place {
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
