//! The layered path: the program of a plan as dispatches, each an operation of one node over all tasks of a tile.
//!
//! | file | holds |
//! | --- | --- |
//! | `rooms`, `target` | the room of each op, and what they keep and fuse |
//! | `facts`, `layout` | the program, lengths and buffers of its arrays; where everything lies |
//! | `emit`, `instrs`, `inner` | instructions as dispatches |
//! | `plan` | the whole without a device, cut into tiles of tasks |
//! | `record` | the whole on one |
//! | `kernels` | kernels that belong to no op |

#[cfg(test)]
mod counts;
mod emit;
mod facts;
mod inner;
mod instrs;
pub(crate) mod kernels;
mod layout;
pub(crate) mod plan;
mod record;
mod rooms;
mod target;

pub(crate) use plan::LayeredPlan;
pub use plan::LayeredTuning;
pub(crate) use record::record;
