//! Shapes of values, and whether a value has a row for each point or one for the whole task.

use std::fmt;

/// One row of a value.
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
        let [height, width] = self.sides();
        height * width
    }

    /// Height and width; a vector is one pixel.
    #[must_use]
    pub fn sides(self) -> [usize; 2] {
        match self {
            Self::Vector(_) => [1, 1],
            Self::Image { height, width, .. } => [height, width],
        }
    }

    /// The same pixels with other features or channels.
    #[must_use]
    pub fn with_features(self, features: usize) -> Self {
        match self {
            Self::Vector(_) => Self::Vector(features),
            Self::Image { height, width, .. } => Self::Image { channels: features, height, width },
        }
    }

    /// Its axes, as an array of parameters of this shape has them.
    #[must_use]
    pub fn axes(self) -> Vec<usize> {
        match self {
            Self::Vector(features) => vec![features],
            Self::Image { channels, height, width } => vec![channels, height, width],
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

/// How many rows a value has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// One for each point of a set.
    Point,
    /// One for the whole task: a latent, and what is computed from such values alone. Where it meets values with a row a
    /// point it is broadcast, and its cotangent is the sum over points.
    Task,
}

impl Rows {
    /// The count, of a set of `points` points.
    #[must_use]
    pub fn count(self, points: usize) -> usize {
        match self {
            Self::Point => points,
            Self::Task => 1,
        }
    }
}
