//! The inner loop, written once.
//!
//! A [`Program`] is what one task computes under a [`Plan`](crate::meta::Plan): a list of [instructions](Instr) over [arrays](Array), in
//! order, from the points to the meta-gradient. It knows which passes are needed, what each sets and adds to, and how long
//! each array lives; it knows no device. Executors lower it: they say by a [`Target`] what their kernels keep and
//! fuse, give arrays their lengths and [places](place), and turn each instruction into calls or dispatches. `θ_j`, the
//! gradient kept of a step, `v`, `u` and the moments of inner rules are named by instructions and placed by executors.
//!
//! | file | holds |
//! | --- | --- |
//! | `array`, `instr` | what instructions are made of |
//! | `flow` | facts of the graph: what moves, what is learned through, what is part of what |
//! | `listing` | a program as it is written down |
//! | `target` | what executors say of themselves, what callers want, how work is cut |
//! | `build` | the inner loop and the way back |
//! | `writer`, `passes` | forward, backward and the tangents of both over a graph |
//! | `storage` | places for arrays from their lives, colours for buffers |

mod array;
mod build;
mod flow;
mod instr;
mod listing;
mod passes;
mod storage;
mod target;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::kept::Kept;
pub use array::{Array, ArrayId, ArrayKind, Pass, Set};
pub use flow::Flow;
pub use instr::{Instr, Put, Sink, Site};
pub use listing::Program;
pub use storage::{Extent, Placement, colour, place};
pub use target::{Cut, Target, Wanted};
