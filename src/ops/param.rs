//! What an op says of its parameters.

/// What a parameter is for; its initialisation follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Weights of a product: drawn, by how many inputs a unit sums over and how many outputs an input reaches.
    Weight {
        /// What a unit sums over.
        inputs: usize,
        /// What an input reaches.
        outputs: usize,
    },
    /// What is added to a product of the same units.
    Bias {
        /// What a unit sums over.
        inputs: usize,
        /// What an input reaches.
        outputs: usize,
    },
    /// γ of a norm; starts at 1.
    Scale,
    /// β of a norm; starts at 0.
    Shift,
    /// A value of its own; starts at 0.
    Latent,
    /// Drawn from a normal distribution around 0 and never learned, by no loop: a buffer in PyTorch's words.
    Fixed {
        /// Its deviation.
        deviation: f64,
    },
}

/// A parameter tensor of an op.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Name within its node, as PyTorch has it: `weight` or `bias`; of what is fixed, another.
    pub name: &'static str,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

impl ParamSpec {
    /// A parameter called `weight`.
    #[must_use]
    pub fn weight(shape: Vec<usize>, role: Role) -> Self {
        Self { name: "weight", shape, role }
    }

    /// A parameter called `bias`.
    #[must_use]
    pub fn bias(shape: Vec<usize>, role: Role) -> Self {
        Self { name: "bias", shape, role }
    }
}
