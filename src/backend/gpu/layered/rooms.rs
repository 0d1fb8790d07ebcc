//! The room of each op, as the layered path calls it.

use crate::model::{Model, Op};
use crate::ops::{Rows, Shape, each};
use crate::wgsl::lower::{Extent, Lower, Sizes};

/// The room of an op.
pub(super) fn of(op: &Op) -> &dyn Lower {
    each!(op, op => op)
}

fn extent(shape: Shape, rows: Rows) -> Extent {
    let [height, width] = shape.sides();
    let sides = [shape.features(), height, width].map(|side| side as u32);
    Extent { sides, per_task: rows == Rows::Task }
}

/// The sizes of a node over `points` points, of a meta-batch of `batch` tasks whose points count alike.
pub(super) fn sizes(model: &Model, node: usize, relu: bool, points: usize, batch: usize) -> Sizes {
    let this = &model.nodes()[node];
    let input = |&value: &_| {
        let (shape, rows) = model.value(value);
        extent(shape, rows)
    };
    Sizes {
        inputs: this.inputs.iter().map(input).collect(),
        output: extent(this.shape, this.rows),
        points: points as u32,
        batch: batch as u32,
        relu,
        weighted: false,
    }
}
