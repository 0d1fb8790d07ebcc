//! Layers and the shapes that pass between them.

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

/// What passes between layers, for one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A vector of features.
    Vector(usize),
    /// An image, `[channels, height, width]`, row-major.
    Image {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Shape {
    /// Number of elements.
    #[must_use]
    pub fn len(self) -> usize {
        self.features() * self.pixels()
    }

    /// Whether there is no element; never true within a checked model.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Features of a vector, channels of an image.
    #[must_use]
    pub fn features(self) -> usize {
        match self {
            Self::Vector(features) => features,
            Self::Image { channels, .. } => channels,
        }
    }

    /// Pixels of a channel; 1 for a vector.
    #[must_use]
    pub fn pixels(self) -> usize {
        match self {
            Self::Vector(_) => 1,
            Self::Image { height, width, .. } => height * width,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(features) => write!(f, "[{features}]"),
            Self::Image { channels, height, width } => write!(f, "[{channels}, {height}, {width}]"),
        }
    }
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

impl Layer {
    /// The layer with its defaults spelled out.
    pub(super) fn resolved(self) -> Self {
        match self {
            Self::MaxPool2d { kernel, stride: 0 } => Self::MaxPool2d { kernel, stride: kernel },
            other => other,
        }
    }

    /// The shape that comes out where `input` goes in, or why nothing can.
    pub(super) fn output(self, input: Shape) -> Result<Shape, String> {
        let side = |length: usize, kernel: usize, stride: usize, padding: usize| {
            if kernel == 0 || stride == 0 {
                return Err("kernel and stride must be at least 1".to_owned());
            }
            let padded = padding.checked_mul(2).and_then(|p| p.checked_add(length));
            match padded.and_then(|padded| padded.checked_sub(kernel)) {
                Some(room) => Ok(room / stride + 1),
                None => {
                    Err(format!("a kernel of {kernel} does not fit {length} pixels with padding {padding}"))
                }
            }
        };
        match (self, input) {
            (Self::Linear { outputs: 0 } | Self::Conv2d { outputs: 0, .. }, _) => {
                Err("it has no outputs".to_owned())
            }
            (Self::Linear { outputs }, Shape::Vector(_)) => Ok(Shape::Vector(outputs)),
            (Self::Linear { .. }, Shape::Image { .. }) => {
                Err("it takes a vector; put flatten or global_avg_pool2d before it".to_owned())
            }
            (Self::Conv2d { outputs, kernel, stride, padding }, Shape::Image { height, width, .. }) => {
                Ok(Shape::Image {
                    channels: outputs,
                    height: side(height, kernel, stride, padding)?,
                    width: side(width, kernel, stride, padding)?,
                })
            }
            (Self::MaxPool2d { kernel, stride }, Shape::Image { channels, height, width }) => {
                Ok(Shape::Image {
                    channels,
                    height: side(height, kernel, stride, 0)?,
                    width: side(width, kernel, stride, 0)?,
                })
            }
            (Self::GlobalAvgPool2d, Shape::Image { channels, .. }) => Ok(Shape::Vector(channels)),
            (Self::Conv2d { .. } | Self::MaxPool2d { .. } | Self::GlobalAvgPool2d, Shape::Vector(_)) => {
                Err("it takes an image, not a vector".to_owned())
            }
            (Self::BatchNorm { eps, .. }, _) if !(eps > 0.0 && eps.is_finite()) => {
                Err(format!("its eps is {eps}; a number above 0 is needed"))
            }
            (Self::BatchNorm { .. } | Self::Relu, _) => Ok(input),
            (Self::Flatten, _) => Ok(Shape::Vector(input.len())),
        }
    }

    /// Shapes of `weight` and `bias`, if the layer has them.
    pub(super) fn params(self, input: Shape) -> Option<[Vec<usize>; 2]> {
        match self {
            Self::Linear { outputs } => Some([vec![outputs, input.features()], vec![outputs]]),
            Self::Conv2d { outputs, kernel, .. } => {
                Some([vec![outputs, input.features(), kernel, kernel], vec![outputs]])
            }
            Self::BatchNorm { affine: true, .. } => Some([vec![input.features()], vec![input.features()]]),
            _ => None,
        }
    }
}
