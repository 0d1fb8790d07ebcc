//! Compute shaders on any adapter that `wgpu` reaches: Vulkan, Metal, DX12, GL.
//!
//! From the outside in:
//!
//! | module | holds |
//! | --- | --- |
//! | [`adapter`] | what adapters there are, what they can do, which one a [`Choice`] means |
//! | [`device`] | an opened adapter: buffers, uploads, read-back, errors instead of panics |
//! | [`shader`] | the WGSL files, compiled into the program, and the import resolver |
//! | [`kernel`] | one entry point with its declared bindings, overrides and pipeline |
//! | [`arena`] | one buffer cut into aligned slices, sized before a device exists |
//! | [`recording`] | dispatches recorded once and encoded as often as wanted |
//! | [`fused_plan`] | sizes and addresses of the fused pass, made without a device |
//! | `fused_program` | the operations of a meta-gradient, listed for the fused kernel to run |
//! | `fused`, `reduce`, `clipped_update` | host modules of the shaders of the same names |
//! | [`layered_plan`] | sizes, addresses and dispatches of the layered pass, made without a device |
//! | `layered_nodes` | a model as the layers that are run |
//! | `layered_layout`, `layered_ops`, `layered_bindings` | what the pass keeps and where; the inner loop as dispatches; what each binds |
//! | `layered_products`, `layered_norm`, `layered_pool` | the dispatches of each kind of layer |
//! | `layered_inner` | inner optimizers beyond plain gradient descent, and Reptile, as dispatches |
//! | [`inner`] | what the kernels of inner optimizers are told |
//! | `layered` | the layered pass on a device |
//! | [`layer`], [`product`], [`conv_product`], [`conv_stretch`], [`norm`] | what the kernels of a layer are told, and how their work is cut |
//! | [`linear`], [`conv2d`], [`batch_norm`] and their like, pools, [`relu`], [`loss`], [`loss_tangent`], [`rate_sums`], [`group_sums`], [`copy_rows`], [`inner_step`], [`inner_sum`], [`inner_adjoint`], [`inner_unclip`], [`displacement`], `draw`, `draw_images` | host modules of the shaders of the same names |
//! | `forecast` | memory and dispatches of a training, before anything is allocated |
//! | `pass` | what both paths have in common: state, mean over tasks, outer update |
//! | `resident` | the training loop: many meta-iterations a submission |
//! | `profile` | what each dispatch of a meta-iteration takes |
//! | [`GpuBackend`] | the whole as a [`Backend`](crate::meta::Backend) |
//!
//! To add a kernel: write `shaders/NAME.wgsl` (its header says formula, shapes and paper; shared functions
//! come in with a `// import: other` line at the top), list the file in [`shader::SOURCES`], declare its
//! bindings and workgroup needs as a [`kernel::Declaration`] in a host module of the same stem and add that to
//! [`kernel::ALL`]. `tests/shaders.rs` then validates it, checks the declaration against what naga
//! reflects, and translates it for every platform; nothing needs a GPU up to there.
//!
//! Rules that keep kernels portable:
//! - at most eight storage buffers a kernel, sizes through `override` constants or a uniform struct whose arrays
//!   have elements of 16 bytes;
//! - within one dispatch, an arena is bound either read-only everywhere or read-write everywhere: usage
//!   is tracked by buffer, not by slice. So keep what one kernel reads and another writes
//!   (`state`) apart from what it writes (`scratch`);
//! - barriers only in control flow that depends on uniforms, overrides and the workgroup's index;
//! - no infinities or NaN expected of the hardware: test the bits.

pub mod adapter;
pub mod arena;
mod backend;
pub mod batch_norm;
pub mod batch_norm_backward;
pub mod batch_norm_backward_tangent;
pub mod batch_norm_tangent;
mod clipped_update;
pub mod conv2d;
pub mod conv2d_backward;
pub mod conv2d_backward_tangent;
pub mod conv2d_tangent;
pub mod conv2d_update;
pub mod conv2d_update_sums;
pub mod conv2d_update_tangent;
pub mod conv2d_update_tangent_sums;
pub mod conv_product;
pub mod conv_stretch;
pub mod copy_rows;
pub mod device;
pub mod displacement;
mod draw;
mod draw_images;
mod forecast;
mod fused;
pub mod fused_plan;
mod fused_program;
pub mod global_avg_pool;
pub mod global_avg_pool_backward;
pub mod group_sums;
pub mod inner;
pub mod inner_adjoint;
pub mod inner_step;
pub mod inner_sum;
pub mod inner_unclip;
pub mod kernel;
pub mod layer;
mod layered;
mod layered_bindings;
mod layered_inner;
mod layered_layout;
mod layered_nodes;
mod layered_norm;
mod layered_ops;
pub mod layered_plan;
mod layered_pool;
mod layered_products;
pub mod linear;
pub mod linear_backward;
pub mod linear_backward_tangent;
pub mod linear_tangent;
pub mod linear_update;
pub mod linear_update_tangent;
pub mod loss;
pub mod loss_tangent;
pub mod max_pool;
pub mod max_pool_backward;
pub mod norm;
mod pass;
mod probe;
pub mod product;
mod profile;
pub mod rate_sums;
pub mod recording;
mod reduce;
pub mod relu;
mod resident;
pub mod shader;
mod staged;

pub use adapter::{AdapterReport, Choice};
pub use backend::{GpuBackend, Path};
pub use device::Device;
pub use forecast::Footprint;
