//! The layers of sequences, as the engines know them.

use crate::ops::{Op, batch_norm, conv2d, elementwise, flatten, global_avg_pool2d, linear, max_pool2d};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One layer as a recipe or a golden case names it, under PyTorch's conventions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `z = W h + b`, `W: [outputs, inputs]`.
    Linear {
        /// Features out.
        outputs: usize,
    },
    /// Cross-correlation with a square kernel and zero padding, `W: [outputs, channels, kernel, kernel]`,
    /// and a bias for each output channel.
    Conv2d {
        /// Channels out.
        outputs: usize,
        /// Side of the kernel, pixels.
        kernel: usize,
        /// Step of the kernel, pixels (default 1).
        #[serde(default = "one")]
        stride: usize,
        /// Zeros put around the image on every side, pixels (default 0).
        #[serde(default)]
        padding: usize,
    },
    /// `y = γ (x − μ) / √(σ² + ε) + β` with mean and biased variance of the current points, for each feature
    /// of a vector or channel of an image (Ioffe and Szegedy 2015, algorithm 1). No running averages.
    BatchNorm {
        /// ε (default 1e-5).
        #[serde(default = "default_eps")]
        eps: f64,
        /// Whether there are γ (`weight`) and β (`bias`), else 1 and 0 (default yes).
        #[serde(default = "yes")]
        affine: bool,
    },
    /// `h = max(z, 0)`.
    Relu,
    /// The largest value of each square window that lies within the image; the first of equal ones.
    MaxPool2d {
        /// Side of the window, pixels.
        kernel: usize,
        /// Step of the window, pixels (default: its side).
        #[serde(default)]
        stride: usize,
    },
    /// The mean of each channel over the image: an image becomes a vector.
    GlobalAvgPool2d,
    /// An image becomes a vector, in the order channel, row, column.
    Flatten,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn default_eps() -> f64 {
    1e-5
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear { outputs } => write!(f, "linear to {outputs}"),
            Self::Conv2d { outputs, kernel, stride, padding } => {
                write!(f, "conv2d {kernel}×{kernel} to {outputs}, stride {stride}, padding {padding}")
            }
            Self::MaxPool2d { kernel, stride } => write!(f, "max_pool2d {kernel}×{kernel}, stride {stride}"),
            Self::BatchNorm { .. } => f.write_str("batch_norm"),
            Self::Relu => f.write_str("relu"),
            Self::GlobalAvgPool2d => f.write_str("global_avg_pool2d"),
            Self::Flatten => f.write_str("flatten"),
        }
    }
}

impl From<Layer> for Op {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Linear { outputs } => linear::Linear::to(outputs).into(),
            Layer::Conv2d { outputs, kernel, stride, padding } => {
                conv2d::Conv2d::square(outputs, kernel, stride, padding).into()
            }
            Layer::BatchNorm { eps, affine } => batch_norm::BatchNorm { eps, affine }.into(),
            Layer::Relu => elementwise::Function::Relu {}.into(),
            Layer::MaxPool2d { kernel, stride } => max_pool2d::MaxPool2d { kernel, stride }.into(),
            Layer::GlobalAvgPool2d => global_avg_pool2d::GlobalAvgPool2d {}.into(),
            Layer::Flatten => flatten::Flatten {}.into(),
        }
    }
}

impl Layer {
    /// The layer that engines know an op by, if it is one of theirs.
    pub(super) fn of(op: &Op) -> Option<Self> {
        Some(match *op {
            Op::Linear(linear::Linear { outputs, bias: true }) => Self::Linear { outputs },
            Op::Conv2d(conv2d::Conv2d {
                outputs,
                kernel,
                stride,
                padding,
                dilation: 1,
                groups: 1,
                bias: true,
            }) if kernel[0] == kernel[1] && padding[0] == padding[1] => {
                Self::Conv2d { outputs, kernel: kernel[0], stride, padding: padding[0] }
            }
            Op::BatchNorm(batch_norm::BatchNorm { eps, affine }) => Self::BatchNorm { eps, affine },
            Op::Elementwise(elementwise::Function::Relu) => Self::Relu,
            Op::MaxPool2d(max_pool2d::MaxPool2d { kernel, stride }) => Self::MaxPool2d { kernel, stride },
            Op::GlobalAvgPool2d(_) => Self::GlobalAvgPool2d,
            Op::Flatten(_) => Self::Flatten,
            _ => return None,
        })
    }
}
