//! Every kernel of the program, in one place above all rooms.

use super::device::open;
use super::fused::{kernel as fused, ops, plan};
pub use super::layered::kernels::{inner, loss, rows};
use super::resident::{clipped_update, draw, draw_images, reduce, request};
use crate::ops::{
    avg_pool2d, batch_norm, conv2d, elementwise, fourier, latent, linear, max_pool2d, mul, row_norm,
};
use crate::wgsl::{Declaration, LayerPass, factors, window_pass};

/// Every kernel of the program.
pub const ALL: &[&Declaration] = &[
    &open::DECLARATION,
    &fused::DECLARATION,
    &reduce::DECLARATION,
    &clipped_update::DECLARATION,
    &draw::DECLARATION,
    &draw_images::DECLARATION,
    &avg_pool2d::gpu::FORWARD,
    &avg_pool2d::gpu::BACKWARD,
    &batch_norm::gpu::FORWARD,
    &batch_norm::gpu::BACKWARD,
    &batch_norm::gpu::TANGENT,
    &batch_norm::gpu::BACKWARD_TANGENT,
    &conv2d::gpu::FORWARD,
    &conv2d::gpu::BACKWARD,
    &conv2d::gpu::UPDATE,
    &conv2d::gpu::UPDATE_SUMS,
    &conv2d::gpu::TANGENT,
    &conv2d::gpu::BACKWARD_TANGENT,
    &conv2d::gpu::UPDATE_TANGENT,
    &conv2d::gpu::UPDATE_TANGENT_SUMS,
    &elementwise::gpu::ELEMENTWISE,
    &elementwise::gpu::BACKWARD_TANGENT,
    &factors::SUM_ROWS,
    &fourier::gpu::FORWARD,
    &fourier::gpu::TANGENT,
    &fourier::gpu::BACKWARD,
    &latent::gpu::UPDATE,
    &latent::gpu::TANGENT,
    &latent::gpu::UPDATE_TANGENT,
    &row_norm::gpu::FORWARD,
    &row_norm::gpu::BACKWARD,
    &row_norm::gpu::UPDATE,
    &row_norm::gpu::TANGENT,
    &row_norm::gpu::BACKWARD_TANGENT,
    &row_norm::gpu::UPDATE_TANGENT,
    &linear::gpu::FORWARD,
    &linear::gpu::BACKWARD,
    &linear::gpu::UPDATE,
    &linear::gpu::TANGENT,
    &linear::gpu::BACKWARD_TANGENT,
    &linear::gpu::UPDATE_TANGENT,
    &max_pool2d::gpu::FORWARD,
    &max_pool2d::gpu::BACKWARD,
    &mul::gpu::PRODUCT,
    &mul::gpu::PRODUCT_TANGENT,
    &inner::STEP,
    &inner::SUM,
    &inner::ADJOINT,
    &inner::UNCLIP,
    &inner::DISPLACEMENT,
    &loss::LOSS,
    &loss::TANGENT,
    &rows::COPY,
    &rows::GROUP_SUMS,
    &rows::RATE_SUMS,
];

/// Structs that host and shader share: shader, name there, bytes here.
pub const STRUCTS: &[(&str, &str, usize)] = &[
    ("fused", "Shape", size_of::<plan::Shape>()),
    ("fused", "Op", size_of::<ops::Op>()),
    ("fused", "Block", size_of::<ops::Block>()),
    ("fused", "Now", size_of::<request::Now>()),
    ("reduce", "Now", size_of::<request::Now>()),
    ("reduce", "Outer", size_of::<reduce::Outer>()),
    ("draw", "DrawPass", size_of::<draw::DrawPass>()),
    ("draw_images", "DrawImages", size_of::<draw_images::DrawImages>()),
    ("linear", "Layer", size_of::<LayerPass>()),
    ("elementwise", "ElementPass", size_of::<elementwise::gpu::ElementPass>()),
    ("sum_rows", "FactorPass", size_of::<factors::FactorPass>()),
    ("avg_pool", "WindowPass", size_of::<window_pass::WindowPass>()),
    ("inner_step", "Inner", size_of::<inner::InnerPass>()),
    ("displacement", "Displacement", size_of::<inner::Displacement>()),
    ("loss", "LossPass", size_of::<loss::LossPass>()),
    ("rate_sums", "RateSums", size_of::<rows::RateSums>()),
    ("group_sums", "GroupSums", size_of::<rows::GroupSums>()),
    ("copy_rows", "CopyRows", size_of::<rows::CopyRows>()),
];

/// The kernels of a room with what their tests need, by op.
#[doc(hidden)]
pub mod rooms {
    #[allow(missing_docs, reason = "see the room")]
    pub mod avg_pool2d {
        pub use crate::ops::avg_pool2d::gpu::{BACKWARD, FORWARD};
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod batch_norm {
        pub use crate::ops::batch_norm::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod conv2d {
        pub use crate::ops::conv2d::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod elementwise {
        pub use crate::ops::elementwise::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod fourier {
        pub use crate::ops::fourier::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod latent {
        pub use crate::ops::latent::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod row_norm {
        pub use crate::ops::row_norm::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod mul {
        pub use crate::ops::mul::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod linear {
        pub use crate::ops::linear::gpu::*;
    }
    #[allow(missing_docs, reason = "see the room")]
    pub mod max_pool2d {
        pub use crate::ops::max_pool2d::gpu::*;
    }
}
