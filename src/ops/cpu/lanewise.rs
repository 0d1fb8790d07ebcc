//! The passes of convolutions whose groups have few channels. A weight is packed as `[input of a group, tap, outputs padded]`.

use super::product::{bias, bias_gradient};
use super::{Back, Layout, Moving, NONE, Node, Site};
use crate::simd::Isa;
use crate::simd::lanewise::{LaneGather, LaneOuter, Planes, Regroup};
use crate::simd::memory::{Calls, Place};
use crate::simd::planes::{Image, LaneTables, Way};
use crate::simd::tile::Terms;

/// The elements of the packed weight `W: [outputs, inputs / groups, taps]`, and of the bias if there is one.
pub(crate) fn params(node: &Node, [groups, taps]: [usize; 2], bias: bool) -> Vec<Vec<u32>> {
    let (deep, outputs, wide) = (node.inputs[0].channels / groups, node.output.channels, node.output.pitch);
    let row = |at: usize| {
        let (plane, tap) = (at / taps, at % taps);
        let element =
            move |o: usize| if o < outputs { ((o * deep + plane) * taps + tap) as u32 } else { NONE };
        (0..wide).map(element)
    };
    let mut all = vec![(0..deep * taps).flat_map(row).collect()];
    if bias {
        all.push((0..wide).map(|o| if o < outputs { o as u32 } else { NONE }).collect());
    }
    all
}

/// Floats of a transposed weight.
pub(crate) fn turned_len(node: &Node, tables: &LaneTables) -> usize {
    tables.channels[1] * tables.taps * node.inputs[0].pitch
}

/// A weight as the way back multiplies by it.
pub(crate) fn turn(node: &Node, tables: &LaneTables, from: Place, to: Place) -> Regroup {
    let LaneTables { groups, taps, channels: [deep, broad], .. } = *tables;
    let rows = [node.output.pitch, node.inputs[0].pitch];
    Regroup { from, to, groups, taps, channels: [broad, deep], rows }
}

/// Floats of the planes of one operand, and of a vector for each plane and tap.
fn room(way: &Way, planes: usize, image: Layout, lanes: usize) -> usize {
    if way.spread.is_some() { planes * image.pixels() * lanes } else { 0 }
}

/// Floats that a pass needs for itself: planes of two operands, or of one and sums of a gradient.
pub(crate) fn scratch(node: &Node, tables: &LaneTables) -> usize {
    let [deep, broad] = tables.channels;
    let forward = room(&tables.forward, deep, node.inputs[0], node.lanes);
    let backward = room(&tables.backward, broad, node.output, node.lanes);
    (2 * forward.max(backward)).max(forward + deep * tables.taps * node.lanes)
}

/// What passes over an image read, to a result of so many vectors.
fn planes(site: &Site<'_>, tables: &LaneTables, way: &Way, from: Layout, to: Layout) -> Planes {
    Planes {
        way: way.clone(),
        taps: tables.taps,
        image: Image { pixels: from.pixels(), pitch: from.pitch },
        scratch: site.scratch,
        room: scratch(site.node, tables),
        vectors: to.pitch / site.node.lanes,
        some: 0..to.pitch / site.node.lanes,
        point: to.len(),
        points: site.rows(),
    }
}

fn gather<I: Isa>(
    site: &Site<'_>,
    tables: &LaneTables,
    terms: Terms,
    (c, bias): (Place, Place),
    calls: &mut Calls<I>,
) {
    let planes = planes(site, tables, &tables.forward, site.node.inputs[0], site.node.output);
    calls.push(LaneGather { planes, terms, c, bias });
}

fn gather_back<I: Isa>(site: &Site<'_>, tables: &LaneTables, terms: Terms, c: Place, calls: &mut Calls<I>) {
    let planes = planes(site, tables, &tables.backward, site.node.output, site.node.inputs[0]);
    calls.push(LaneGather { planes, terms, c, bias: Place::NOWHERE });
}

fn gradients<I: Isa>(site: &Site<'_>, tables: &LaneTables, terms: Terms, back: &Back, calls: &mut Calls<I>) {
    if let Some(to) = back.gradients[0] {
        let node = site.node;
        let planes = planes(site, tables, &tables.forward, node.inputs[0], node.output);
        let before = room(&tables.forward, tables.channels[0], node.inputs[0], node.lanes);
        calls.push(LaneOuter { planes, terms, to, sums: site.scratch.after(before) });
    }
    bias_gradient(site, back, calls);
}

pub(crate) fn forward<I: Isa>(site: &Site<'_>, tables: &LaneTables, calls: &mut Calls<I>) {
    gather(site, tables, Terms::one((site.x[0], site.theta[0])), (site.y, bias(&site.theta)), calls);
}

pub(crate) fn backward<I: Isa>(site: &Site<'_>, tables: &LaneTables, back: &Back, calls: &mut Calls<I>) {
    gradients(site, tables, Terms::one((site.x[0], back.dy)), back, calls);
    if back.dx[0].is_somewhere() {
        gather_back(site, tables, Terms::one((back.dy, site.transposed)), back.dx[0], calls);
    }
}

pub(crate) fn tangent<I: Isa>(site: &Site<'_>, tables: &LaneTables, moving: &Moving, calls: &mut Calls<I>) {
    let terms = Terms::new((moving.x[0], site.theta[0]), (site.x[0], moving.theta[0]));
    gather(site, tables, terms, (moving.y, bias(&moving.theta)), calls);
}

pub(crate) fn backward_tangent<I: Isa>(
    site: &Site<'_>,
    tables: &LaneTables,
    moving: &Moving,
    dy: Place,
    back: &Back,
    calls: &mut Calls<I>,
) {
    let terms = Terms::new((site.x[0], back.dy), (moving.x[0], dy));
    gradients(site, tables, terms, back, calls);
    if back.dx[0].is_somewhere() {
        let terms = Terms::new((back.dy, site.transposed), (dy, moving.transposed));
        gather_back(site, tables, terms, back.dx[0], calls);
    }
}
