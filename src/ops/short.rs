//! Ops with their usual settings, in a word.

use super::avg_pool2d::AvgPool2d;
use super::batch_norm::BatchNorm;
use super::conv2d::Conv2d;
use super::elementwise::Function;
use super::flatten::Flatten;
use super::fourier::Fourier;
use super::global_avg_pool2d::GlobalAvgPool2d;
use super::group_norm::GroupNorm;
use super::linear::Linear;
use super::max_pool2d::MaxPool2d;
use super::registry::Op;
use super::window::Window;

impl Op {
    /// `y = W x + b` to so many features.
    #[must_use]
    pub const fn linear(outputs: usize) -> Self {
        Self::Linear(Linear { outputs, bias: true })
    }

    /// A convolution with a square kernel, one group and a bias.
    #[must_use]
    pub const fn conv2d(outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let (kernel, padding) = ([kernel; 2], [padding; 2]);
        Self::Conv2d(Conv2d { outputs, kernel, stride, padding, dilation: 1, groups: 1, bias: true })
    }

    /// A convolution along the columns of an image of one row, which is how a series of several channels lies.
    #[must_use]
    pub const fn conv1d(outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let (kernel, padding) = ([1, kernel], [0, padding]);
        Self::Conv2d(Conv2d { outputs, kernel, stride, padding, dilation: 1, groups: 1, bias: true })
    }

    /// A batch norm with this ε, with γ and β if it is `affine`.
    #[must_use]
    pub const fn batch_norm(eps: f64, affine: bool) -> Self {
        Self::BatchNorm(BatchNorm { eps, affine })
    }

    /// A group norm with so many groups of channels, with γ and β, ε = 1e-5.
    #[must_use]
    pub const fn group_norm(groups: usize) -> Self {
        Self::GroupNorm(GroupNorm::of(groups))
    }

    /// Instance norm: a group norm with a group for each channel, with γ and β, ε = 1e-5.
    #[must_use]
    pub const fn instance_norm() -> Self {
        Self::GroupNorm(GroupNorm::instance())
    }

    /// `max(x, 0)`.
    #[must_use]
    pub const fn relu() -> Self {
        Self::Elementwise(Function::Relu {})
    }

    /// The largest of each square window; with a step of 0, windows side by side.
    #[must_use]
    pub const fn max_pool2d(kernel: usize, stride: usize) -> Self {
        Self::MaxPool2d(MaxPool2d(Window::square(kernel, stride)))
    }

    /// The mean of each square window; with a step of 0, windows side by side.
    #[must_use]
    pub const fn avg_pool2d(kernel: usize, stride: usize) -> Self {
        Self::AvgPool2d(AvgPool2d(Window::square(kernel, stride)))
    }

    /// The mean of each channel over the image.
    #[must_use]
    pub const fn global_avg_pool2d() -> Self {
        Self::GlobalAvgPool2d(GlobalAvgPool2d {})
    }

    /// Fourier features: so many random directions, of this deviation, a sine and a cosine each.
    #[must_use]
    pub const fn fourier(features: usize, scale: f64) -> Self {
        Self::Fourier(Fourier { features, scale })
    }

    /// An image as a vector.
    #[must_use]
    pub const fn flatten() -> Self {
        Self::Flatten(Flatten {})
    }
}
