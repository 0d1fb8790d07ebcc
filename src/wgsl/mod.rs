//! What the host knows of WGSL files without a device: their texts, the bindings and overrides of each kernel, and the
//! uniforms and cuts that several of them share. Rooms of ops declare their kernels in these words.

mod call;
pub mod conv_product;
pub mod conv_stretch;
mod declaration;
pub mod factors;
mod layer_pass;
mod library;
pub mod lower;
mod product;
mod seat;
pub mod window_pass;

pub(crate) use call::MOST_WORKGROUPS;
pub use declaration::{Binding, Declaration};
pub use layer_pass::{LayerPass, Place};
pub use library::{Library, SOURCES};
pub use product::{Cut, WORKGROUP as PRODUCT_WORKGROUP};
