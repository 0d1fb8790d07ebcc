//! What writes a program: its state, and what passes leave behind for one another.

use super::array::{ArrayId, Pass, Set};
use super::instr::Instr;
use super::listing::Program;
use super::target::{Cut, Target, Wanted};
use crate::meta::Plan;

/// What a pass left behind, by value and by node.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    pub(super) pass: Pass,
    pub(super) output: ArrayId,
    /// By value, of those that hold one.
    pub(super) y: Vec<Option<ArrayId>>,
    pub(super) dy: Vec<Option<ArrayId>>,
    /// By node.
    pub(super) saved: Vec<Option<ArrayId>>,
}

/// Which parameters a backward pass is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gradient {
    /// Those that the inner loop moves.
    Moving,
    /// All.
    Learned,
}

/// Writes a program.
pub(super) struct Builder<'a> {
    pub(super) program: Program,
    pub(super) plan: &'a Plan,
    pub(super) target: &'a dyn Target,
    pub(super) wanted: Wanted,
    pub(super) cut: Cut,
    /// Whether `v` holds something yet.
    pub(super) started: bool,
    /// What the support passes that are kept left, by step.
    pub(super) kept: Vec<Vec<Passed>>,
    /// The arrays of the points, by set and first point.
    pub(super) inputs: Vec<(Set, usize, ArrayId)>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        program: Program,
        plan: &'a Plan,
        wanted: Wanted,
        target: &'a dyn Target,
        cut: Cut,
    ) -> Self {
        let kept = vec![Vec::new(); plan.steps];
        Self { program, plan, target, wanted, cut, started: false, kept, inputs: Vec::new() }
    }

    pub(super) fn push(&mut self, instr: Instr) {
        self.program.instrs.push(instr);
    }
}
