//! What outputs are compared with.

/// The targets of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// A number for each output.
    Numbers,
    /// A number from 0 to 1 for each output.
    Shares,
    /// The index of a class for all outputs, which are as many as there are classes.
    Class,
}

impl Truth {
    /// Targets of a point of so many outputs.
    #[must_use]
    pub fn width(self, outputs: usize) -> usize {
        match self {
            Self::Numbers | Self::Shares => outputs,
            Self::Class => 1,
        }
    }

    /// Whether a target may be what it is.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn check(self, target: f64, outputs: usize) -> Result<(), String> {
        match self {
            Self::Shares if !(0.0..=1.0).contains(&target) => {
                Err(format!("target {target} is not a number from 0 to 1"))
            }
            Self::Class if !(target >= 0.0 && target < outputs as f64 && target.fract() == 0.0) => {
                Err(format!("class label {target} is not one of 0 … {}", outputs - 1))
            }
            Self::Numbers | Self::Shares | Self::Class => Ok(()),
        }
    }
}
