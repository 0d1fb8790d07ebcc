//! Its CPU kernels, where the image itself does not serve for the vector: a copy from channels innermost to the order of
//! the vector.

use super::Flatten;
use crate::ops::cpu::{Back, Kept, Layout, Lower, Moving, Site};
use crate::simd::Isa;
use crate::simd::memory::{Calls, Place};
use crate::simd::sweeps::{Fill, Segments, segments};

fn copy<I: Isa>(
    site: &Site<'_>,
    (from, from_layout): (Place, Layout),
    (to, to_layout): (Place, Layout),
    calls: &mut Calls<I>,
) {
    let rows = site.rows();
    calls.push(Fill { c: to, len: rows * to_layout.len(), value: 0.0 });
    calls.push(Segments {
        from,
        to,
        rows,
        from_row: from_layout.len(),
        to_row: to_layout.len(),
        segments: segments(from_layout.elements(), |e| from_layout.place(e), |e| to_layout.place(e)),
        add: false,
    });
}

impl Lower for Flatten {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward<I: Isa>(&self, site: &Site<'_>, calls: &mut Calls<I>) {
        copy(site, (site.x[0], site.node.inputs[0]), (site.y, site.node.output), calls);
    }

    fn backward<I: Isa>(&self, site: &Site<'_>, back: &Back, calls: &mut Calls<I>) {
        if back.dx[0].is_somewhere() {
            copy(site, (back.dy, site.node.output), (back.dx[0], site.node.inputs[0]), calls);
        }
    }

    fn tangent<I: Isa>(&self, site: &Site<'_>, moving: &Moving, calls: &mut Calls<I>) {
        copy(site, (moving.x[0], site.node.inputs[0]), (moving.y, site.node.output), calls);
    }
}
