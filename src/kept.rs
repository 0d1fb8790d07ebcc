//! What the passes of an op read of one another, as its kernels on a device say it and the program asks it.

/// What the other passes of a node read, beside cotangents, and what its passes leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its inputs, in its backward and both tangents.
    pub x: bool,
    /// Its output, in the same.
    pub y: bool,
    /// The tangents of its inputs, in the tangent of its backward.
    pub x_dot: bool,
    /// The tangent of its output, in the tangent of its backward.
    pub y_dot: bool,
    /// Whether its forward pass leaves an array of its own.
    pub saved: bool,
    /// Whether its tangent leaves one.
    pub saved_dot: bool,
}
