//! Its CPU kernels: copies of stretches of rows.

use super::Concat;
use crate::ops::Rows;
use crate::ops::cpu::{Back, Kept, Lower, Moving, Node, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place};
use crate::simd::sweeps::{Fill, Segment, Segments, segments};
use std::sync::Arc;

/// The stretches that go from an input to the output, or back.
fn stretches(node: &Node, input: usize, back: bool) -> Arc<[Segment]> {
    let before: usize = node.inputs[..input].iter().map(|layout| layout.elements()).sum();
    let (from, to) = (node.inputs[input], node.output);
    // Channels of an image lie whole pixels apart, and so do features of a flattened one.
    let (from, to) = (move |e| from.place(e), move |e| to.place(before + e));
    let len = node.inputs[input].elements();
    if back { segments(len, to, from) } else { segments(len, from, to) }
}

/// Floats from row to row of an input: none where one row serves all.
fn stride(site: &Site<'_>, input: usize) -> usize {
    let broadcast = site.node.rows == Rows::Point && site.node.input_rows[input] == Rows::Task;
    if broadcast { 0 } else { site.node.inputs[input].len() }
}

/// The output from the inputs that there are; zeros for the others.
fn join<I: Isa>(site: &Site<'_>, x: &[Place], out: Place, calls: &mut Calls<I>) {
    calls.push(Fill { c: out, len: site.len(), value: 0.0 });
    for (input, &from) in x.iter().enumerate().filter(|(_, x)| x.is_somewhere()) {
        calls.push(Segments {
            from,
            to: out,
            rows: site.rows(),
            from_row: stride(site, input),
            to_row: site.node.output.len(),
            segments: stretches(site.node, input, false),
            add: false,
        });
    }
}

impl Lower for Concat {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        join(site, &site.x, site.y, calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        for (input, &to) in back.dx.iter().enumerate().filter(|(_, to)| to.is_somewhere()) {
            let len = site.node.input_rows[input].count(site.points) * site.node.inputs[input].len();
            calls.push(Fill { c: to, len, value: 0.0 });
            calls.push(Segments {
                from: back.dy,
                to,
                rows: site.rows(),
                from_row: site.node.output.len(),
                to_row: stride(site, input),
                segments: stretches(site.node, input, true),
                add: true,
            });
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        join(site, &moving.x, moving.y, calls);
    }
}
