//! A program as it is written down.

use super::array::{Array, ArrayId};
use super::flow::Flow;
use super::instr::Instr;

/// What one task computes.
#[derive(Clone, Debug)]
pub struct Program {
    /// The instructions, in order.
    pub instrs: Vec<Instr>,
    /// The arrays they touch.
    pub arrays: Vec<Array>,
    /// Facts of the graph.
    pub flow: Flow,
    /// Whether there are tangents.
    pub second: bool,
    /// Whether inner rates have gradients.
    pub learned: bool,
    /// Whether θ_1 … θ_{K−1} are needed on the way back, so that each has a place of its own.
    pub keeps_steps: bool,
    /// Whether gradients of inner steps are kept.
    pub keeps_gradients: bool,
}

impl Program {
    /// An array.
    #[must_use]
    pub fn array(&self, id: ArrayId) -> &Array {
        &self.arrays[id.index()]
    }

    /// Pairs of an array that an instruction reads and one that it writes: they may not lie in one buffer.
    #[must_use]
    pub fn read_and_written(&self) -> Vec<(ArrayId, ArrayId)> {
        let of = |instr: &Instr| {
            let (reads, writes) = instr.touches();
            reads
                .into_iter()
                .flat_map(move |r| writes.clone().into_iter().map(move |w| (r, w)))
                .collect::<Vec<_>>()
        };
        self.instrs.iter().flat_map(of).filter(|(r, w)| r != w).collect()
    }
}
