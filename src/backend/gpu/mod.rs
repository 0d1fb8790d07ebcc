//! Compute shaders on any adapter that `wgpu` reaches: Vulkan, Metal, DX12, GL.
//!
//! From the outside in:
//!
//! | module | holds |
//! | --- | --- |
//! | [`device`] | an opened adapter: what it can do, buffers, arenas, kernels, recorded dispatches |
//! | `resident` | what both paths share: state, drawn tasks, the mean over tasks, the outer update, the loop |
//! | `layered` | a dispatch for each operation of each layer over all tasks of a tile |
//! | `fused` | one dispatch for everything, for chains of linear layers that fit |
//! | [`kernels`] | every kernel; those of an op are declared in its room, `src/ops/<op>/gpu.rs` |
//! | `forecast` | memory and dispatches of a training, before anything is allocated |
//! | `pipelines` | its pipelines, for compilers that need no device |
//! | [`GpuBackend`] | the whole as a [`Backend`](crate::meta::Backend) |
//!
//! To add a kernel: write `shaders/FOLDER/NAME.wgsl` (its header says formula, shapes and paper; shared functions come in
//! with a `// import: other` line at the top), list the file in [`SOURCES`](crate::wgsl::SOURCES), declare its bindings and
//! workgroup needs as a [`Declaration`](crate::wgsl::Declaration) beside its op, and add that to [`kernels::ALL`].
//! `tests/shaders.rs` then validates it, checks the declaration against what naga reflects, and translates it for every
//! platform; nothing needs a GPU up to there.
//!
//! Rules that keep kernels portable:
//! - at most eight storage buffers a kernel, sizes through `override` constants or a uniform struct whose arrays
//!   have elements of 16 bytes;
//! - within one dispatch, an arena is bound either read-only everywhere or read-write everywhere: usage
//!   is tracked by buffer, not by slice. So keep what one kernel reads and another writes
//!   (`state`) apart from what it writes (`scratch`);
//! - barriers only in control flow that depends on uniforms, overrides and the workgroup's index;
//! - no infinities or NaN expected of the hardware: test the bits.

mod backend;
pub mod device;
mod forecast;
mod fused;
pub mod kernels;
mod layered;
mod pipelines;
mod reach;
mod resident;

pub use backend::GpuBackend;
pub use device::Device;
pub use device::adapter::{self, AdapterReport, Choice};
pub use forecast::{Footprint, portable_evaluation, portable_footprint};
pub use fused::Tuning;
pub use layered::LayeredTuning;
pub use pipelines::{Pipeline, pipelines};
pub use reach::Path;
pub use resident::request::Purpose;
pub use resident::training::Resident;
